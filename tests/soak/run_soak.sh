#!/usr/bin/env bash
# 10 000 random jobs over 100 keys, the runner killed three times in the middle; the judge is
# cli/tests/support/journal.rs and looks only at what the jobs wrote and at the event streams.
#
# Sizes: run_soak.sh [--small | JOBS [KEYS [KILLS]]]
set -euo pipefail
cd "$(dirname "$0")/../.."
[ "${1:-}" != --small ] || set -- 600 12 2
export LANEWAY_SOAK_JOBS=${1:-10000} LANEWAY_SOAK_KEYS=${2:-100} LANEWAY_SOAK_KILLS=${3:-3}
exec cargo test --release -p laneway-cli --test soak -- --nocapture --test-threads 1
