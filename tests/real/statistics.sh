#!/usr/bin/env bash
# The real program and real Home Assistants, an old one and the newest: are their statistics the journal's hours?
#
#   cargo build --release && tests/real/statistics.sh FOLDER [PROGRAM]
#
# FOLDER keeps both Home Assistants (two gigabytes), and what the last run left: logs, configuration, journal. PROGRAM is
# target/release/smartmeter. It needs root, for a Debian testing in a folder, whose Python the newest one needs. YEARS=10
# times ten years of twenty series instead, and QUICK=1 has less data, for a program that is not optimized.
set -euo pipefail

OLD=2024.3.3 # runs with Python 3.11 and 3.12

die() { echo "statistics: $*" >&2; exit 2; }
skip() { echo "SKIPPED statistics beside Home Assistant $1: $2"; skipped=$((skipped + 1)); }
here=$(cd "$(dirname "$0")" && pwd)
if [ $# -lt 1 ] || [ $# -gt 2 ]; then
    sed -n '2,8s/^# \{0,1\}//p' "$0"
    exit 2
fi
mkdir -p "$1"
folder=$(cd "$1" && pwd) program=$(realpath "${2:-$here/../../target/release/smartmeter}") skipped=0 passed=0
[ -x "$program" ] || die "there is no $program: cargo build --release"

# venv FOLDER [COMMAND…]: makes a virtual environment with uv, which installs in seconds. The commands say where.
venv() {
    local at=$1
    shift
    "$@" python3 -m venv "$at" && "$@" "$at/bin/pip" install --quiet --disable-pip-version-check uv
}

# Home Assistant installs what its integrations need when it starts, one by one; this is what these need.
install_old() {
    [ ! -e "$folder/old/ready" ] || return 0
    python3 -c 'import sys; sys.exit(sys.version_info[:2] not in ((3, 11), (3, 12)))' || return 1
    venv "$folder/old" || return 1
    # Newer ones of these two came after it, and do not work with it.
    "$folder/old/bin/uv" pip install --quiet --python "$folder/old/bin/python" "homeassistant==$OLD" 'josepy<2' 'acme<3' \
        setuptools fnv-hash-fast==0.5.0 home-assistant-frontend==20240307.0 janus==1.0.0 pillow==10.2.0 pyotp==2.8.0 \
        psutil-home-assistant==0.0.1 pyqrcode==1.2.1 securetar==2024.2.1 sqlalchemy==2.0.27 || return 1
    touch "$folder/old/ready"
}

install_new() {
    local root=$folder/testing
    if [ ! -e "$root/ready" ]; then
        [ "$(id -u)" = 0 ] && command -v mmdebstrap >/dev/null || return 1
        rm -rf "$root"
        # A mirror's snapshot may be older than its Release file says.
        mmdebstrap --quiet --mode=root --variant=minbase --include=python3-venv,ca-certificates \
            --aptopt='Acquire::Check-Valid-Until "false"' --aptopt='Apt::Install-Recommends "false"' \
            testing "$root" >"$folder/testing.log" 2>&1 || return 1
        # Names, certificates and the package index are those of this machine.
        cp -L /etc/resolv.conf "$root/etc/"
        cp -L /etc/ssl/certs/ca-certificates.crt "$root/etc/ssl/certs/"
        [ ! -e /etc/pip.conf ] || cp -L /etc/pip.conf "$root/etc/"
        venv /srv/venv chroot "$root" || return 1
        chroot "$root" /srv/venv/bin/uv pip install --quiet --python /srv/venv/bin/python homeassistant || return 1
        touch "$root/ready"
    fi
    for mounted in proc dev; do
        mountpoint -q "$root/$mounted" || mount --rbind "/$mounted" "$root/$mounted"
        mount --make-rslave "$root/$mounted"
    done
}

# judge NAME PYTHON CONFIG [HASS…]: CONFIG is Home Assistant's folder, and HASS the command that takes it.
judge() {
    local name=$1
    shift
    echo "== statistics beside Home Assistant, the $name one"
    "$folder/old/bin/python" -B "$here/statistics.py" "$folder/run-$name" "$program" "$@"
    passed=$((passed + 1))
}

unmount() {
    for mounted in dev proc; do
        ! mountpoint -q "$folder/testing/$mounted" || umount -R "$folder/testing/$mounted"
    done
}
trap unmount EXIT

if install_old; then
    judge old "$folder/config-old" "$folder/config-old" "$folder/old/bin/hass"
else
    skip "$OLD" "it did not install: it needs Python 3.11 or 3.12, and PyPI"
fi
if [ -e "$folder/old/ready" ] && install_new; then
    judge newest "$folder/testing/srv/config" /srv/config chroot "$folder/testing" /srv/venv/bin/hass \
        --skip-pip-packages pymicro-vad,pyspeex-noise # these need a compiler, and are for voices
else
    skip "newest" "it did not install: it needs root, mmdebstrap and PyPI"
fi
echo "statistics: $passed passed, 0 failed, $skipped skipped"
# In CI all of them must run.
[ -z "${CI:-}" ] || [ "$skipped" = 0 ]
