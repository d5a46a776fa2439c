#!/usr/bin/env bash
# Runs the benchmarks and writes a Markdown table: laneway beside each peer, with ratios and spread.
#
#   bash benches/report.sh [FILTER]        measure (criterion's filter), then print the table
#   bash benches/report.sh --table         only print the table of the last run
#   bash benches/report.sh --bars [ROW]    the bars of the pool, in rounds that take turns
set -euo pipefail
cd "$(dirname "$0")/.."
if [ "${1:-}" = --bars ]; then
    exec cargo bench --locked --quiet -p laneway-benches --bench bars -- ${2:+"$2"}
fi
if [ "${1:-}" != --table ]; then
    cargo bench --locked -p laneway-benches --bench join --bench keyed --bench snapshot -- ${1:+"$1"} >&2
fi
exec python3 benches/report.py "${CARGO_TARGET_DIR:-target}/criterion"
