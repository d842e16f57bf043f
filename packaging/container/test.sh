#!/usr/bin/env bash
# Builds the image from target/debian, and runs it: root, mmdebstrap and buildah are needed, a registry is not.
set -euo pipefail
cd "$(dirname "$0")/../.."
. packaging/container/images.sh

if [ -z "${NAMESPACE:-}" ]; then
    base_image
    build_image smartmeter target/debian --quiet --file packaging/container/Containerfile >/dev/null
    # Ports and mounts of the test are nobody else's, and go with it.
    NAMESPACE=1 exec unshare --net --mount "$0"
fi

fail() {
    printf 'container: %s\n' "$1" >&2
    [ ! -e "$work/log" ] || tail -n 30 "$work/log" >&2
    exit 1
}

# until_true TEXT COMMAND…: repeats a command until it succeeds.
until_true() {
    local what=$1 end=$((SECONDS + 30))
    shift
    until "$@"; do
        [ "$SECONDS" -lt "$end" ] || fail "never: $what"
        sleep 0.1 # between two attempts
    done
}

work=$(mktemp -d)
container=
cleanup() {
    # shellcheck disable=SC2046 # each process is a word
    kill $(jobs -p) 2>/dev/null || true
    wait
    umount --recursive --lazy "$work/root" 2>/dev/null || true
    [ -z "$container" ] || images rm "$container" >/dev/null
    rm -rf "$work"
}
trap cleanup EXIT
ip link set lo up
ip address add 192.168.7.2/24 dev lo # an address of the LAN
# Terminals of its own, too: no other program on this machine can take the meter's.
mount -t devpts -o newinstance,ptmxmode=666 devpts /dev/pts

# The image as its users see it: not root, small, with a health check and a volume.
image=$(images inspect --type image smartmeter)
setting() {
    printf '%s' "$image" | jq --raw-output ".Docker.config.$1"
}
[ "$(setting User)" = 10001:10001 ] || fail "it runs as $(setting User)"
[ "$(setting 'Healthcheck.Test | join(" ")')" = 'CMD smartmeter health --alive' ] || fail 'it has no health check'
[ "$(setting 'Volumes | keys[0]')" = /var/lib/smartmeter ] || fail 'it has no volume'
added=$((($(size smartmeter) - $(size localhost/smartmeter-base)) / 1000000))
[ "$added" -le 20 ] || fail "it adds $added MB to Debian, at most 20 are wanted"

# What an engine does at a start: a root, the volume, and the devices of `--device`.
mkdir --parents "$work/root" "$work/volume/config.d"
chown -R 10001:10001 "$work/volume"
container=$(images from smartmeter)
mount --bind "$(images mount "$container")" "$work/root"
mount --bind "$work/volume" "$work/root/var/lib/smartmeter"
mount -t tmpfs none "$work/root/dev"
for device in null urandom; do
    touch "$work/root/dev/$device"
    mount --bind "/dev/$device" "$work/root/dev/$device"
done
mkdir "$work/root/dev/pts" && mount --bind /dev/pts "$work/root/dev/pts"
mount -o remount,bind,ro "$work/root"

# inside GROUPS COMMAND…: becomes a command as the image's user; groups are those of `--group-add`.
inside() {
    local groups=$1
    shift
    exec env --ignore-environment PATH=/usr/sbin:/usr/bin \
        chroot --userspec=10001:10001 --groups="$groups" "$work/root" "$@"
}
is_alive() {
    (inside '' smartmeter health --alive) >"$work/health" 2>&1
}
start() {
    (inside "$1" smartmeter) >>"$work/log" 2>&1 &
    program=$!
    until_true 'the health check succeeds' is_alive
}
stop() {
    kill "$program"
    wait "$program" || fail "it ended with status $?"
}
reads() {
    curl --silent --fail http://127.0.0.1:8080/data/house/POWER_IMPORT | grep -q 2714.12830185
}

coproc python3 packaging/container/meter.py
read -r port <&"${COPROC[0]}"
printf '[sources.house]\nplugin = "d0"\nport = "%s"\n' "$port" >"$work/volume/config.d/10-house.toml"

start ''
[ "$(stat --format %u /proc/"$program")" = 10001 ] || fail 'it does not run as the user of the image'
until_true 'the port of another group is refused' grep -q 'ermission denied' "$work/log"
stop

start 20
until_true 'the meter on the passed port is read' reads
(inside '' smartmeter health) | grep -qx ok || fail 'it is not healthy'
stop
is_alive && fail 'the health check succeeds without a program'

rm "$work/volume/config.d/10-house.toml"
start ''
curl --silent --fail http://127.0.0.1:8080/series | grep -q POWER_IMPORT || fail 'the volume has lost the history'

# As docs/install.md says: another machine sets it up with a token that `exec` makes.
is_allowed() {
    curl --silent --header "Authorization: Bearer $1" http://192.168.7.2:8080/setup | jq --exit-status .allowed >/dev/null
}
token=$( (inside '' smartmeter token) 2>>"$work/log" | sed -n 's/^token: //p') || fail 'no token is made'
until_true 'the token is taken' is_allowed "$token"
is_allowed wrong && fail 'any token is taken'
stop
echo "container: the image adds $added MB to Debian; port, health check, volume and token work"
