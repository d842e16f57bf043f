#!/usr/bin/env bash
# Makes a Rust compiler for foreign architectures, without a change to this machine: rust-web.sh FOLDER HOST ARCH...
# FOLDER/rustc becomes Debian's `rustc-web` with the standard libraries of these architectures. Nothing is installed: apt
# works with lists of its own, and the packages are unpacked into the folder. The compiler comes with the C library that
# it was built for; what it compiles is linked by this machine's cross compiler, and runs with the older one.
set -euo pipefail

suite=trixie                        # it has the same version for all architectures
folder=$1 host=$2
shift 2

keyring=/usr/share/keyrings/debian-archive-keyring.gpg
[ -e "$keyring" ] || { echo "error: no $keyring: install the package debian-archive-keyring" >&2; exit 1; }
mirror=${DEBIAN_MIRROR:-http://deb.debian.org/debian}

missing=()
for arch in "$@"; do
    [ -e "$folder/unpacked-$arch" ] || missing+=("$arch")
done
[ ${#missing[@]} -gt 0 ] || exit 0

mkdir -p "$folder"/apt/{lists/partial,archives/partial} "$folder"/{debs,root}
folder=$(cd "$folder" && pwd)
: >"$folder/apt/status"
echo "deb [signed-by=$keyring] $mirror $suite main" >"$folder/apt/sources.list"
cat >"$folder/apt/apt.conf" <<CONF
APT::Architecture "$host";
APT::Architectures { "$host"; "arm64"; "armhf"; "amd64"; };
APT::Sandbox::User "root";
Acquire::Languages "none";
Acquire::Retries "3";
Acquire::IndexTargets::deb::DEP-11::DefaultEnabled "false";
Dir::State "$folder/apt";
Dir::State::status "$folder/apt/status";
Dir::State::lists "$folder/apt/lists";
Dir::Cache "$folder/apt";
Dir::Etc::sourcelist "$folder/apt/sources.list";
Dir::Etc::sourceparts "-";
Dir::Etc::parts "-";
Dir::Etc::main "-";
CONF
export APT_CONFIG=$folder/apt/apt.conf
apt-get -qq update

packages=()
if [ ! -e "$folder/rustc" ]; then
    # The compiler, and the libraries that it is linked with.
    name=$(apt-cache show libstd-rust-web-dev | sed -n 's/^Depends: \(libstd-rust-web-[0-9.]*\) .*/\1/p' | head -n 1)
    mapfile -t packages < <(apt-cache depends --recurse --no-recommends --no-suggests --no-conflicts --no-breaks \
        --no-replaces --no-enhances "$name" | grep '^[a-z]')
    packages+=(rustc-web libstd-rust-web-dev)
fi
for arch in "${missing[@]}"; do
    packages+=("libstd-rust-web-dev:$arch")
done
rm -f "$folder"/debs/*.deb
(cd "$folder/debs" && apt-get -qq download "${packages[@]}")
for deb in "$folder"/debs/*.deb; do
    dpkg-deb -x "$deb" "$folder/root"
done
rm -rf "$folder/debs" "$folder/root/usr/share"

libraries=$(dirname "$(find "$folder/root/usr/lib" -name libc.so.6)")
loader=$(find "$folder/root/usr/lib64" "$folder/root/usr/lib" "$libraries" -maxdepth 1 -name 'ld-linux-*.so.*' 2>/dev/null | head -n 1)
cat >"$folder/rustc" <<SH
#!/bin/sh
exec "$loader" --library-path "$libraries" "$folder/root/usr/bin/rustc" --sysroot "$folder/root/usr" "\$@"
SH
chmod +x "$folder/rustc"
"$folder/rustc" --version
for arch in "${missing[@]}"; do
    touch "$folder/unpacked-$arch"
done
