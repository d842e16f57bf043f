# shellcheck shell=bash disable=SC2154
# A package of a foreign architecture, under qemu-user. Part of packaging/test.sh.

# The kernel must know which interpreter runs the programs of the architecture.
register_qemu() {
    local name
    case $1 in
        arm64) name=qemu-aarch64 ;;
        armhf) name=qemu-arm ;;
        amd64) name=qemu-x86_64 ;;
    esac
    local folder=/proc/sys/fs/binfmt_misc
    [ -e $folder/register ] || mount -t binfmt_misc binfmt_misc $folder
    [ -e $folder/$name ] || cat "/usr/lib/binfmt.d/$name.conf" >$folder/register
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
