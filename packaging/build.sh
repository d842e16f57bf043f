#!/usr/bin/env bash
# Builds Debian packages: packaging/build.sh ARCH..., where ARCH is amd64, arm64 or armhf.
# They become target/debian/smartmeter_VERSION_ARCH.deb. README.md beside this file explains the steps.
set -euo pipefail
cd "$(dirname "$0")/.."

root=$PWD
target_dir=${CARGO_TARGET_DIR:-$root/target}
out=$root/target/debian

fail() {
    printf 'error: %s\n' "$1" >&2
    exit 1
}

# The names of an architecture: of Rust's target, and of the cross compiler.
rust_target() {
    case $1 in
        amd64) echo x86_64-unknown-linux-gnu ;;
        arm64) echo aarch64-unknown-linux-gnu ;;
        armhf) echo armv7-unknown-linux-gnueabihf ;;
        *) fail "unknown architecture \`$1\`, expected amd64, arm64 or armhf" ;;
    esac
}
gcc_of() {
    case $1 in
        amd64) echo x86_64-linux-gnu-gcc ;;
        arm64) echo aarch64-linux-gnu-gcc ;;
        armhf) echo arm-linux-gnueabihf-gcc ;;
    esac
}

[ $# -gt 0 ] || fail 'usage: packaging/build.sh ARCH..., where ARCH is amd64, arm64 or armhf'
host=$(dpkg --print-architecture)
for arch in "$@"; do
    rust_target "$arch" >/dev/null
    command -v "$(gcc_of "$arch")" >/dev/null ||
        fail "no $(gcc_of "$arch"): install the package gcc$([ "$arch" = "$host" ] || echo "-$(gcc_of "$arch" | sed 's/-gcc$//')")"
done
command -v dh >/dev/null || fail 'no dh: install the packages debhelper, dpkg-dev and fakeroot'

# Compiles for all architectures but this machine's at once, so that their last steps, which have one thread each, share
# the processors.
compile() {
    local cross=() targets=() arch target
    for arch in "$@"; do
        if [ "$arch" = "$host" ]; then
            cargo build --locked --release -p smartmeter
            continue
        fi
        target=$(rust_target "$arch")
        cross+=("$arch")
        targets+=(--target "$target")
        target=${target//-/_}
        export "CARGO_TARGET_${target^^}_LINKER=$(gcc_of "$arch")"
    done
    [ ${#cross[@]} -gt 0 ] || return 0
    choose_rustc "${cross[@]}"
    RUSTC=$rustc cargo build --locked --release -p smartmeter "${targets[@]}"
}

# Sets `rustc` to a compiler that has the standard libraries of all these architectures: this machine's, else Debian's.
choose_rustc() {
    local arch
    rustc=rustc
    for arch in "$@"; do
        if [ ! -d "$(rustc --print target-libdir --target "$(rust_target "$arch")")" ]; then
            packaging/rust-web.sh "$root/target/cross" "$host" "$@"
            rustc=$root/target/cross/rustc
            return
        fi
    done
}

binary_of() {
    if [ "$1" = "$host" ]; then
        echo "$target_dir/release/smartmeter"
    else
        echo "$target_dir/$(rust_target "$1")/release/smartmeter"
    fi
}

# Lays everything that goes into the package beside `debian/`, and packs it.
pack() {
    local arch=$1 stage=$out/stage/$1/smartmeter deb
    deb=$out/smartmeter_${version}_$arch.deb
    rm -rf "$out/stage/$arch"
    mkdir -p "$stage"
    cp -r packaging/debian "$stage/debian"
    cp "$(binary_of "$arch")" "$stage/smartmeter"
    cp -r "$out/manual/." "$stage"
    cp README.md CHANGELOG.md packaging/debian/config.toml "$stage"
    mkdir "$stage/examples"
    cp -r docs/examples/. config.toml "$stage/examples"
    cp -r docs "$stage/docs"
    rm -r "$stage/docs/examples" "$stage/docs/decisions"
    cp packaging/systemd/smartmeter.service "$stage/debian/smartmeter.service"
    cp packaging/systemd/back-off.conf "$stage/back-off.conf"
    sed -i "s|@MAINTAINER@|$maintainer|" "$stage/debian/control"
    printf 'smartmeter (%s) stable; urgency=medium\n\n  * CHANGELOG.md beside this file says what changed.\n\n -- %s  %s\n' \
        "$version" "$maintainer" "$(date -Rud "@$SOURCE_DATE_EPOCH")" >"$stage/debian/changelog"
    packaging/licences.sh "$(rust_target "$arch")" "$stage"
    (cd "$stage" && dpkg-buildpackage --build=binary --host-arch "$arch" --no-check-builddeps --no-sign) \
        >"$out/stage/$arch/log" 2>&1 || { cat "$out/stage/$arch/log" >&2; fail "could not pack $arch"; }
    mv "$out/stage/$arch/smartmeter_${version}_$arch.deb" "$deb"
    printf '%s: %s bytes, program %s bytes\n' "${deb#"$root"/}" "$(stat -c %s "$deb")" \
        "$(stat -c %s "$stage/debian/smartmeter/usr/bin/smartmeter")"
}

version=$(sed -n '/^\[workspace.package\]/,/^\[/s/^version = "\(.*\)"/\1/p' Cargo.toml)
maintainer="${DEBFULLNAME:-the smartmeter authors} <${DEBEMAIL:-smartmeter@packages.invalid}>"
SOURCE_DATE_EPOCH=${SOURCE_DATE_EPOCH:-$(git log -1 --format=%ct 2>/dev/null || date +%s)}

compile "$@"
# Not before: build scripts look at the first one, and C code would be compiled again for each commit.
export SOURCE_DATE_EPOCH DEB_BUILD_OPTIONS=noautodbgsym
rm -rf "$out/manual"
mkdir -p "$out/manual/man"
cargo run --locked --quiet -p smartmeter --example manual -- "$out/manual"
mv "$out"/manual/*.1 "$out/manual/man"
for arch in "$@"; do
    pack "$arch"
done
