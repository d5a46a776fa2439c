#!/usr/bin/env bash
# Every model check, each in a process of its own, two at a time; counts against executions.txt.
# LANEWAY_LOOM_RECORD=1 writes the record anew, LANEWAY_LOOM_BOUND=N overrides every bound.
set -euo pipefail
cd "$(dirname "$0")/.."
cargo run --locked --quiet --profile model -p laneway-loom-tests -- suite
