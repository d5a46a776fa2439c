#!/usr/bin/env bash
# Derives the mutants of the lock-free files (each ordering weakened, each fence removed, each
# compare-and-exchange made a plain store) and runs each under the models that reach it.
# `--sample N` runs N of them, evenly spread. Nothing in the checkout is edited: the mutations are
# made at run time by the facade of the models (see src/mutation.rs). The last line has the totals.
set -euo pipefail
cd "$(dirname "$0")/.."
cargo run --locked --quiet --profile model -p laneway-loom-tests -- mutants "$@"
