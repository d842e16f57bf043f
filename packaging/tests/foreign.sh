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
    expect 'the purge' inside dpkg --purge smartmeter
}
