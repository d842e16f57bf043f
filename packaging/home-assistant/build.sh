#!/usr/bin/env bash
# Puts the add-on's repository into target/home-assistant, with the Debian packages that packaging/build.sh has made.
set -euo pipefail
cd "$(dirname "$0")/../.."

out=target/home-assistant
rm -rf "$out"
mkdir -p "$out/smartmeter/packages"
cp packaging/home-assistant/repository.yaml "$out/"
cp -R packaging/home-assistant/smartmeter/. "$out/smartmeter/"
cp CHANGELOG.md "$out/smartmeter/"
found=
for arch in amd64 arm64 armhf; do
    newest=
    for package in target/debian/smartmeter_*_"$arch".deb; do
        if [ -e "$package" ] && { [ -z "$newest" ] || [ "$package" -nt "$newest" ]; }; then
            newest=$package
        fi
    done
    if [ -n "$newest" ]; then
        cp "$newest" "$out/smartmeter/packages/"
        found="$found $arch"
    fi
done
if [ -z "$found" ]; then
    echo 'target/debian has no package: run packaging/build.sh with amd64, arm64 or armhf first' >&2
    exit 1
fi
echo "$out: the add-on for$found"
