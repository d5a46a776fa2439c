#!/usr/bin/env bash
# Writes include/laneway.h from the C ABI crate; with --verify, fails if it is not current.
set -euo pipefail
cd "$(dirname "$0")/.."
exec cargo run --quiet --locked -p laneway-header -- "$@"
