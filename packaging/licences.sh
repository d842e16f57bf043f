#!/usr/bin/env bash
# Writes debian/copyright and licences.txt for the crates that are linked for a target: licences.sh TARGET FOLDER.
set -euo pipefail
cd "$(dirname "$0")/.."

target=$1 folder=$2
sources=${CARGO_HOME:-$HOME/.cargo}/registry/src

# name, version, licence and repository of each crate from a registry: those of this repository have no version there
crates=$(cargo tree --locked -p smartmeter -e normal --target "$target" --prefix none --format '{p}|{l}|{r}' |
    sed -nE 's/ \(\*\)$//; s/^([^ ]+) v([^ |]+)( \(proc-macro\))?\|(.*)$/\1|\2|\4/p' | sort -u)

{
    sed '/@LICENSE@/,$d' packaging/debian/copyright
    sed -n '/^Permission/,$ { s/^$/./; s/^/ /; p }' LICENSE
    printf '\nFiles: libraries-in-the-program\nCopyright: their authors, see licences.txt.gz\nLicense: several\n'
    while IFS='|' read -r name version licence repository; do
        printf ' %s %s: %s, %s\n' "$name" "$version" "$licence" "${repository:-no repository}"
    done <<<"$crates"
    printf ' SQLite: public domain, https://sqlite.org/copyright.html\n'
} >"$folder/debian/copyright"

# A text that several crates have is printed once, below all their names.
texts=$(mktemp -d)
trap 'rm -rf "$texts"' EXIT
while IFS='|' read -r name version licence _; do
    found=0
    for file in "$sources"/*/"$name-$version"/{LICEN[CS]E,COPYING,NOTICE,UNLICENSE,COPYRIGHT,licen[cs]e}*; do
        [ -f "$file" ] || continue
        found=1
        text=$texts/$(sha256sum "$file" | cut -c 1-64)
        echo "$name $version" >>"$text.names"
        cp "$file" "$text.text"
    done
    [ "$found" = 1 ] || echo "$name $version ($licence)" >>"$texts/none"
done <<<"$crates"
{
    echo 'Licences of the libraries in the program smartmeter.'
    for names in "$texts"/*.names; do
        printf '\n================================================================================\n'
        sort -u "$names"
        printf '%s\n\n' '--------------------------------------------------------------------------------'
        cat "${names%.names}.text"
    done
    if [ -e "$texts/none" ]; then
        printf '\n================================================================================\n'
        echo 'These come without a text of their licence, which is that of the same name above:'
        sort -u "$texts/none"
    fi
} >"$folder/licences.txt"
