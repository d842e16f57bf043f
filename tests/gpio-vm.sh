#!/usr/bin/env bash
# Counts pulses with the real program on a real GPIO character device: the kernel's simulator, in a guest.
#
#   cargo build --release && cargo build --release -p plugin-s0 --example restarts
#   tests/gpio-vm.sh FOLDER [DIVISOR]
#
# FOLDER has run.sh and a kernel with gpio-sim, built by its build-kernel.sh. With a DIVISOR of 100 it is a
# hundredth of the pulses.
#
# The guest's clock counts its instructions (-icount), and idle time is skipped: what else the host does cannot
# make a pulse shorter, and ten minutes of pulses take less.
set -euo pipefail

die() { echo "gpio-vm: $*" >&2; exit 2; }
cd "$(dirname "$0")/.."
[ $# -ge 1 ] || { sed -n '2,11s/^# \{0,1\}//p' "$0"; exit 2; }
folder=$1 divisor=${2:-1}
program=${PROGRAM:-target/release/smartmeter} restarts=${RESTARTS:-target/release/examples/restarts}
[ -x "$folder/run.sh" ] || die "there is no run.sh in $folder"
[ -f "$folder/kernel-x86_64" ] || die "there is no kernel in $folder: build it with its build-kernel.sh"
command -v qemu-system-x86_64 >/dev/null || die "qemu is missing: apt-get install qemu-system-x86"
command -v cpio >/dev/null || die "cpio is missing: apt-get install cpio"
[ -x "$program" ] || die "there is no $program: cargo build --release"
[ -x "$restarts" ] || die "there is no $restarts: cargo build --release -p plugin-s0 --example restarts"

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

mkdir "$work/bin"
printf '#!/bin/sh\nexec %s -icount shift=3,sleep=off "$@"\n' "$(command -v qemu-system-x86_64)" > "$work/bin/qemu-system-x86_64"
chmod +x "$work/bin/qemu-system-x86_64"
PATH=$work/bin:$PATH

# In the guest: what is served, then an orderly stop, then what is in the count file.
cat > "$work/check.sh" <<'CHECK'
echo "DATA $(wget -qO- http://127.0.0.1:8080/data/heat/pulses)"
echo "SECTION $(wget -qO- http://127.0.0.1:8080/data/heat)"
echo "SETUP $(wget -qO- http://127.0.0.1:8080/setup)"
echo "HEALTH $(wget -qO- http://127.0.0.1:8080/health)"
kill -TERM $PID
i=0
while kill -0 $PID 2>/dev/null && [ $i -lt 50 ]; do sleep 0.1; i=$((i + 1)); done
# A slot is magic, sequence, pulses: the higher sequence counts.
for offset in 8 4104; do dd if=/tmp/state/heat.count bs=1 skip=$offset count=16 2>/dev/null | od -An -v -t u8; done |
    sort -n | tail -n 1 | { read -r sequence pulses; echo "FILE $pulses"; }
CHECK

failed=0
# run NAME EXPECTED KEYS OPTIONS...: the program with KEYS counts EXPECTED pulses. MANAGER is what starts it.
MANAGER=()
run() {
    local name=$1 expected=$2 keys=$3 command
    shift 3
    command=("$program" --config /etc/smartmeter.toml --state-dir /tmp/state)
    [ ${#MANAGER[@]} -eq 0 ] || command=("${MANAGER[@]}" "/app/$(basename "$program")" "${command[@]:1}")
    # gpio-sim is driven by its pull, so the program must leave that alone.
    printf '[sources.heat]\nplugin = "s0"\nline = 0\npull = "none"\nedge = "rising"\n%s\n' "$keys" > "$work/config.toml"
    echo "== $name: $expected expected"
    "$folder/run.sh" "$@" -s 3 -t 20 -i "$work/config.toml:/etc/smartmeter.toml" -c "$work/check.sh" \
        -- "${command[@]}" | tee "$work/out" || true
    local data file is_listed=
    # The page lists the lines that a section can name, and who uses them.
    if grep -q '^SETUP .*"chip":"/dev/gpiochip0","line":0,"name":"[^"]*","used_by":"smartmeter' "$work/out"; then is_listed=1; fi
    data=$(sed -n 's/^DATA //p' "$work/out")
    file=$(sed -n 's/^FILE //p' "$work/out")
    if [ -n "$is_listed" ] && [ "$data" = "$expected" ] && [ "$file" = "$expected" ] && grep -q '^APP-END rc=0' "$work/out"; then
        echo "== $name: ok"
    else
        echo "== $name: WRONG: served ${data:-nothing}, in the file ${file:-nothing}, expected $expected${is_listed:-, and the line is not listed}" >&2
        echo "   bounces seen: $(sed -n 's/^HEALTH .*"bounces":\([0-9]*\).*/\1/p' "$work/out"). More than were made means that a" \
            "stalled guest made pulses or pauses shorter than the debounce: repeat it on an idle machine" >&2
        failed=1
    fi
}

slow=$((10000 / divisor)) fast=$((100000 / divisor))
run "the standard's fastest pulses, with bounces" "$slow" '' \
    -n "$slow" -f 16 -u 30000 -b 3/500 -T 900
run "a thousand a second, without debounce" "$fast" 'debounce = "0s"' \
    -n "$fast" -f 1000 -T 900
run "a thousand a second, where without debounce each bounce counts too" $((fast * 2)) 'debounce = "0s"' \
    -n "$fast" -f 1000 -b 1/100 -T 900

# The line is kept while nobody runs, and a pulse that has begun then is counted once. 1024 edges are 25 s of these pulses.
restarts_pulses=$((2000 / divisor))
MANAGER=("$restarts" 20 1500 500)
run "twenty restarts under pulses, half of them a kill" "$restarts_pulses" '' \
    -i "$program:/app/$(basename "$program")" -n "$restarts_pulses" -f 20 -u 25000 -b 2/500 -T 900
exit $failed
