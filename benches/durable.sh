#!/usr/bin/env bash
# Durable cycles: laneway beside a job table in SQLite, on the disk of DIR (default: target/).
#
#   bash benches/durable.sh [DIR]
#
# First the rates, in interleaved rounds; then each contender alone under strace, to count its syncs.
set -euo pipefail
cd "$(dirname "$0")/.."
directory=${1:-${CARGO_TARGET_DIR:-target}/bench-durable}
cargo build --locked --release -q -p laneway-benches --bin durable
program=${CARGO_TARGET_DIR:-target}/release/durable
"$program" "$directory"
command -v strace >/dev/null || { echo "no strace: syncs are not counted"; exit 0; }
echo
for contender in laneway sqlite sqlite-group; do
    counts=$(mktemp)
    strace -f -c -e trace=fsync,fdatasync,sync_file_range -o "$counts" \
        "$program" --only "$contender" --cycles 8 "$directory"
    awk -v name="$contender" '$NF ~ /sync/ && $NF != "total" { n += $4 } END { print name ": " n + 0 " syncs" }' "$counts"
    rm -f "$counts"
done
rm -rf "$directory"
