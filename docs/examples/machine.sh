#!/bin/sh
# Load, memory and disk of this machine, as a source with `plugin = "exec"`.
set -eu

read -r load _ </proc/loadavg
available=$(awk '$1 == "MemAvailable:" { printf "%.0f", $2 * 1024 }' /proc/meminfo)
used=$(df -P "${1:-/}" | awk 'NR == 2 { sub("%", "", $5); print $5 }')

cat <<END
{
  "load": {"value": $load, "kind": "gauge"},
  "memory_available": {"value": $available, "unit": "B", "kind": "gauge"},
  "disk_used": {"value": $used, "unit": "%", "kind": "gauge"}
}
END
