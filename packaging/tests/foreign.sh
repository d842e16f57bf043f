# shellcheck shell=bash disable=SC2154
# A package of a foreign architecture, under qemu-user. Part of packaging/test.sh.

# Makes the kernel run programs of the architecture by the qemu-user of Debian 13, unpacked beside the compiler: that of
# Debian 12 has no TCGETS2, so that no serial port can be opened.
register_qemu() {
    local name folder=/proc/sys/fs/binfmt_misc cross=$root/target/cross
    case $1 in
        arm64) name=qemu-aarch64 ;;
        armhf) name=qemu-arm ;;
        amd64) name=qemu-x86_64 ;;
    esac
    if [ ! -e "$cross/qemu/usr/bin/$name" ]; then
        packaging/rust-web.sh "$cross" "$host" "$1" >"$work/log" 2>&1 || fail 'no package lists'
        mkdir -p "$cross/qemu"
        (cd "$cross/qemu" && APT_CONFIG=$cross/apt/apt.conf apt-get -qq download qemu-user) >"$work/log" 2>&1 ||
            fail 'no qemu-user'
        dpkg-deb -x "$cross"/qemu/qemu-user_*.deb "$cross/qemu"
    fi
    [ -e $folder/register ] || mount -t binfmt_misc binfmt_misc $folder
    # The newest entry for an architecture counts.
    [ ! -e "$folder/smartmeter-$name" ] || echo -1 >"$folder/smartmeter-$name"
    sed -E "s|^:[^:]*:(.*):[^:]*:[A-Z]*$|:smartmeter-$name:\\1:$cross/qemu/usr/bin/$name:OF|" "/usr/lib/binfmt.d/$name.conf" \
        >$folder/register
}

test_foreign() {
    local arch=$1 machine
    expect 'lintian finds no error and no warning' lintian --fail-on error,warning --allow-root "$deb"
    register_qemu "$arch"
    make_chroot "$arch" "$arch"
    cp "$deb" "$chroot/packages/smartmeter_$version.deb"
    # apt of the chroot checks the dependencies.
    expect 'the installation' inside apt-get -q install -y --no-install-recommends "/packages/smartmeter_$version.deb"
    machine=$(inside uname -m)
    says "the program runs on $machine" "^smartmeter " inside smartmeter --version
    says 'the configuration is right' 'configuration OK' inside smartmeter check
    mkdir -p "$chroot/var/lib/smartmeter"
    inside chown smartmeter: /var/lib/smartmeter
    expect 'the page answers' serves / '<html'
    expect 'the simulated household has readings' serves /data '"[^"]+": *\{.*[0-9]+\.[0-9]+' smartmeter --demo
    test_round_trip
    expect 'the purge' inside dpkg --purge smartmeter
}

# A history goes by backups from the program of this machine to the foreign one, and back: every byte that is exported is
# the same. Left out where the package of this machine was not built.
test_round_trip() {
    local native=$root/target/debian/smartmeter_${version}_$host.deb folder=$work/native box second step
    [ -e "$native" ] || { echo "left out: a history of $host and back, as there is no $(basename "$native")"; return; }
    mkdir -p "$folder"
    dpkg-deb -x "$native" "$folder"
    {
        echo 'time,section,name,value,unit,obis'
        for second in $(seq 3000); do
            printf '%s,meter,POWER_IMPORT,%d.%03d,kWh,1.8.0\n' "$(date -u -d "@$((1780000000 + second * 7))" +%FT%TZ)" \
                $((second / 9)) $((second % 1000))
            printf '%s,meter,POWER,%d.5,W,\n' "$(date -u -d "@$((1780000000 + second * 7))" +%FT%TZ)" $((second * 37 % 900 - 450))
        done
    } >"$chroot/tmp/history.csv"
    for box in here there back; do
        mkdir -p "$chroot/tmp/$box"
        printf '[server]\nstate_dir = "/tmp/%s/state"\n' "$box" >"$chroot/tmp/$box/config.toml"
        sed "s|/tmp/|$chroot/tmp/|" "$chroot/tmp/$box/config.toml" >"$chroot/tmp/$box/outside.toml"
    done
    # `expect` calls them.
    # shellcheck disable=SC2317
    outside() {
        local command=$1 box=$2
        shift 2
        "$folder/usr/bin/smartmeter" "$command" --config "$chroot/tmp/$box/outside.toml" "$@"
    }
    # shellcheck disable=SC2317
    foreign() {
        local command=$1 box=$2
        shift 2
        inside smartmeter "$command" --config "/tmp/$box/config.toml" "$@"
    }
    expect "a history of $host" outside import here "$chroot/tmp/history.csv"
    expect "its backup by $host" outside backup here "$chroot/tmp/here.tar.gz"
    expect "its restore by $arch" foreign restore there /tmp/here.tar.gz
    expect "its backup by $arch" foreign backup there /tmp/there.tar.gz
    expect "its restore by $host" outside restore back "$chroot/tmp/there.tar.gz"
    expect "its merge by $arch, which has it" foreign restore there --merge /tmp/here.tar.gz
    for step in raw 1m 15m 1h 1d; do
        outside export here --step "$step" >"$work/here"
        for box in there back; do
            outside export "$box" --step "$step" >"$work/$box"
            expect "the history of \`$box\` by \`--step $step\` is the same" cmp "$work/here" "$work/$box"
        done
    done
    [ "$(wc -l <"$work/here")" -gt 2 ] || fail 'no days were exported'
}
