#!/usr/bin/env bash
# fib(30) without cutoff from C, through the shared library, beside the same in Rust.
#
#   bash benches/c_fib.sh [ROUNDS]
#
# Both programs are run in turn, so that a disturbance hits both; prints the nanoseconds of a join,
# median and least, and the ratio of the medians and of the least. The bar is 1.5.
set -euo pipefail
cd "$(dirname "$0")/.."
rounds=${1:-9}
cargo build --locked --quiet --release -p laneway-artifact
cargo build --locked --quiet --release -p laneway-benches --bin fib_worker
built=${CARGO_TARGET_DIR:-target}/release
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cp "$built/liblaneway.so" "$work/"
ln -s liblaneway.so "$work/$(readelf -d "$built/liblaneway.so" | sed -n 's/.*SONAME.*\[\(.*\)\]/\1/p')"
cc -std=c99 -O2 -Wall -Wextra -Iinclude benches/c/fib.c -o "$work/fib" -L"$work" -llaneway \
    -Wl,-rpath,"$work"
for workers in 1 2; do
    : >"$work/rust" && : >"$work/c"
    for _ in $(seq "$rounds"); do
        "$built/fib_worker" "$workers" 3 >>"$work/rust"
        "$work/fib" "$workers" 3 >>"$work/c"
    done
    for side in rust c; do
        sort -n "$work/$side" | awk -v side="$side" -v workers="$workers" '
            { all[NR] = $1 }
            END { printf "%d workers  %-4s median %7.3f  least %7.3f ns a join\n",
                  workers, side, all[int((NR + 1) / 2)], all[1] }'
    done
    paste <(sort -n "$work/c") <(sort -n "$work/rust") | awk -v workers="$workers" '
        { ratio[NR] = $1 / $2 }
        END { printf "%d workers  C/Rust median %.2f  least %.2f\n",
              workers, ratio[int((NR + 1) / 2)], ratio[1] }'
done
