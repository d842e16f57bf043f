#!/usr/bin/env bash
# The real program, a real Mosquitto and a real Home Assistant: are the meters there, with the right kind and unit?
#
#   cargo build --release && tests/real/home-assistant.sh FOLDER [PROGRAM]
#
# FOLDER keeps Home Assistant's virtual environment (a gigabyte), and what the last run left: logs, states. PROGRAM
# is target/release/smartmeter. PYTHON says which Python to use, HA_VERSION which Home Assistant; without it, it is the
# newest on PyPI that runs with that Python. See README.md.
set -euo pipefail

die() { echo "home-assistant: $*" >&2; exit 2; }
here=$(cd "$(dirname "$0")" && pwd)
[ $# -ge 1 ] && [ $# -le 2 ] || { sed -n '2,8s/^# \{0,1\}//p' "$0"; exit 2; }
mkdir -p "$1"
folder=$(cd "$1" && pwd) program=${2:-$here/../../target/release/smartmeter} python=${PYTHON:-python3}
[ -x "$program" ] || die "there is no $program: cargo build --release"
PATH=$PATH:/usr/sbin command -v mosquitto >/dev/null || die "mosquitto is missing: apt-get install mosquitto"

venv=$folder/venv
[ -x "$venv/bin/hass" ] || {
    "$python" -c 'import sys; sys.exit(sys.version_info < (3, 13))' ||
        die "$("$python" --version) is too old for a Home Assistant of today: PYTHON=… at least 3.13 (see README.md)"
    "$python" -m venv "$venv" || die "could not make $venv: apt-get install python3-venv"
    "$venv/bin/pip" install --quiet --disable-pip-version-check "homeassistant${HA_VERSION:+==$HA_VERSION}"
}
exec "$venv/bin/python" -B "$here/home_assistant.py" "$folder" "$(realpath "$program")"
