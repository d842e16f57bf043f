#!/usr/bin/env bash
# Tests the packages of packaging/build.sh in chroots of a minimal Debian 12: packaging/test.sh ARCH..., as root.
#
# The package of this machine's architecture is installed, upgraded, downgraded, removed, installed again and purged; the
# others are installed, and run `--demo`, under qemu-user. No systemd runs there: what the package asks of it is recorded,
# and the program is started as the unit says. The chroots are made once, in target/chroot.
set -euo pipefail
cd "$(dirname "$0")/.."

[ $# -gt 0 ] || { echo 'usage: packaging/test.sh ARCH..., where ARCH is amd64, arm64 or armhf' >&2; exit 2; }
[ "$(id -u)" = 0 ] || { echo 'error: a chroot needs root: sudo packaging/test.sh' >&2; exit 2; }
# Mounts of its own, which end with the script.
if [ "${IN_NAMESPACE:-}" != yes ]; then
    IN_NAMESPACE=yes exec unshare --mount --propagation private "$0" "$@"
fi

root=$PWD
cache=$root/target/chroot
host=$(dpkg --print-architecture)
mirror=${DEBIAN_MIRROR:-http://deb.debian.org/debian}
work=$(mktemp -d)
trap 'umount -R "$work"/*/{proc,dev} 2>/dev/null || true; rm -rf --one-file-system "$work"' EXIT
mkdir -p "$cache"

passed=0
ok() {
    passed=$((passed + 1))
    printf 'ok: %s\n' "$1"
}
fail() {
    printf 'FAILED: %s\n' "$1" >&2
    [ ! -s "$work/log" ] || tail -n 40 "$work/log" >&2
    [ ! -s "${chroot:-}/systemctl.log" ] || sed "s/^/systemctl /" "$chroot/systemctl.log" >&2
    echo "$passed passed, 1 failed"
    exit 1
}
# expect TEXT COMMAND...: the command succeeds.
expect() {
    local text=$1
    shift
    "$@" >"$work/log" 2>&1 || fail "$text ($*)"
    ok "$text"
}
# says TEXT PATTERN COMMAND...: the command succeeds, and its output has the pattern.
says() {
    local text=$1 pattern=$2
    shift 2
    "$@" >"$work/log" 2>&1 || fail "$text ($*)"
    grep -qE -- "$pattern" "$work/log" || fail "$text: expected \`$pattern\`"
    ok "$text"
}

# Makes chroot $1 for architecture $2 from its archive, which is made once.
make_chroot() {
    local folder=$work/$1 arch=$2 archive=$cache/$2.tar include=systemd,udev
    # Under qemu-user systemd would take a minute to install. The package needs only its users.
    [ "$arch" = "$host" ] || include=systemd-standalone-sysusers
    if [ ! -e "$archive" ]; then
        mmdebstrap --quiet --variant=apt --architectures="$arch" --include="$include" --dpkgopt=force-unsafe-io \
            --aptopt='APT::Sandbox::User "root"' bookworm "$cache/new-$arch.tar" "deb $mirror bookworm main"
        mv "$cache/new-$arch.tar" "$archive"
    fi
    mkdir "$folder"
    tar -xf "$archive" -C "$folder"
    mount -t proc proc "$folder/proc"
    make_dev "$folder/dev"
    cp /etc/resolv.conf "$folder/etc/resolv.conf"
    mkdir -p "$folder/packages" "$folder/run/systemd/system"
    chroot=$folder
    inside apt-get -q update >"$work/log" 2>&1 || fail 'no package lists'
    # systemd does not run: what is asked of it is written down.
    [ ! -e "$folder/usr/bin/systemctl" ] || mv "$folder/usr/bin/systemctl" "$folder/usr/bin/systemctl.real"
    cat >"$folder/usr/bin/systemctl" <<'SH'
#!/bin/sh
echo "$*" >>/systemctl.log
case "$*" in *is-active*|*start*|*stop*|*reload*) exit 0 ;; esac
[ -x /usr/bin/systemctl.real ] || exit 0
exec /usr/bin/systemctl.real --root=/ "$@"
SH
    chmod +x "$folder/usr/bin/systemctl"
}

# Makes the devices that a program needs, with pseudo terminals that no program outside of the chroot sees.
make_dev() {
    local name
    mount -t tmpfs -o mode=755 dev "$1"
    mkdir "$1/pts" "$1/shm"
    chmod 1777 "$1/shm"
    mount -t devpts -o newinstance,ptmxmode=0666,mode=0620,gid=5 devpts "$1/pts"
    ln -s pts/ptmx "$1/ptmx"
    ln -s /proc/self/fd "$1/fd"
    for name in null:3 zero:5 full:7 random:8 urandom:9; do
        mknod -m 666 "$1/${name%:*}" c 1 "${name#*:}"
    done
    mknod -m 666 "$1/tty" c 5 0
}

inside() {
    DEBIAN_FRONTEND=${FRONTEND:-noninteractive} LC_ALL=C.UTF-8 PATH=/usr/sbin:/usr/bin:/sbin:/bin chroot "$chroot" "$@"
}

# asked PATTERN: systemd was asked for it since the last time.
asked() {
    grep -qE -- "$1" "$chroot/systemctl.log"
}
forget() {
    : >"$chroot/systemctl.log"
}

# Starts the program as the unit does, in a network of its own; waits for an answer of $1 that has $2 in it, and ends it.
serves() {
    local path=$1 pattern=$2
    shift 2
    local command=("$@")
    if [ ${#command[@]} = 0 ]; then
        read -ra command < <(sed -n 's/^ExecStart=//p' "$chroot/lib/systemd/system/smartmeter.service")
    fi
    # shellcheck disable=SC2016
    chroot=$chroot unshare --net bash -c '
        ip link set lo up
        path=$1 pattern=$2
        shift 2
        mkdir -p "$chroot/run/smartmeter" && chown --reference="$chroot/var/lib/smartmeter" "$chroot/run/smartmeter"
        STATE_DIRECTORY=/var/lib/smartmeter RUNTIME_DIRECTORY=/run/smartmeter HOME=/nonexistent \
            chroot --userspec=smartmeter:smartmeter "$chroot" "$@" >"$chroot/tmp/program.log" 2>&1 &
        program=$!
        found=1
        for _ in $(seq 600); do
            if curl -s --max-time 5 "http://127.0.0.1:8080$path" | grep -qE -- "$pattern"; then found=0; break; fi
            kill -0 "$program" 2>/dev/null || break
            sleep 0.05
        done
        kill "$program" 2>/dev/null && wait "$program" || true
        [ "$found" = 0 ] || cat "$chroot/tmp/program.log"
        exit "$found"
    ' bash "$path" "$pattern" "${command[@]}"
}

# Makes a package with another version, and another text at the end of the configuration: repack VERSION [TEXT].
repack() {
    local folder=$work/repacked
    rm -rf "$folder"
    dpkg-deb -R "$deb" "$folder"
    sed -i "s/^Version: .*/Version: $1/" "$folder/DEBIAN/control"
    if [ -n "${2:-}" ]; then
        echo "$2" >>"$folder/etc/smartmeter/config.toml"
        (cd "$folder" && find etc usr lib -type f -exec md5sum {} + >DEBIAN/md5sums)
    fi
    dpkg-deb --root-owner-group -Znone -b "$folder" "$chroot/packages/smartmeter_$1.deb" >/dev/null
}

# Every path of the system but what a test, apt and the log of systemd change.
list_files() {
    (cd "$chroot" && find . -xdev \( -path ./proc -o -path ./dev -o -path ./sys -o -path ./packages -o -path ./tmp \
        -o -path ./var/cache -o -path ./var/log -o -path ./var/lib/apt -o -path './var/lib/dpkg/*-old' \
        -o -path ./systemctl.log \) -prune -o -print | sort)
}

# The files of the installed package, with owner and mode, without the configuration, documents and manual pages.
installed_files() {
    inside dpkg -L smartmeter | while read -r path; do
        [ ! -d "$chroot$path" ] || continue
        case $path in /usr/share/doc/smartmeter/* | /usr/share/man/* | /etc/smartmeter/config.toml) continue ;; esac
        (cd "$chroot" && stat -c '%a %U:%G' ".$path" | tr -d '\n')
        echo " ${path}"
    done | sort -k 3
}

packages_of() {
    for arch in "$@"; do
        version=$(sed -n '/^\[workspace.package\]/,/^\[/s/^version = "\(.*\)"/\1/p' Cargo.toml)
        [ -e "target/debian/smartmeter_${version}_$arch.deb" ] || fail "no package: run packaging/build.sh $arch"
    done
}

# shellcheck source=packaging/tests/native.sh
. packaging/tests/native.sh
# shellcheck source=packaging/tests/udev.sh
. packaging/tests/udev.sh
# shellcheck source=packaging/tests/foreign.sh
. packaging/tests/foreign.sh

packages_of "$@"
for arch in "$@"; do
    deb=$root/target/debian/smartmeter_${version}_$arch.deb
    printf '== %s (after %d s)\n' "$(basename "$deb")" "$SECONDS"
    expect 'the package has at most 6 MB' test "$(stat -c %s "$deb")" -le 6000000
    if [ "$arch" = "$host" ]; then
        test_native
    else
        test_foreign "$arch"
    fi
done
echo "$passed passed, 0 failed"
