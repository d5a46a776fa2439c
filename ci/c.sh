#!/usr/bin/env bash
# The C library, seen from outside: header, symbols, soname, programs in C, C++ and Python.
#
# Builds liblaneway.so and liblaneway.a, then checks that the header is the generated one and
# compiles strictly everywhere, that exports, header and ffi/abi/symbols.txt agree, and that the
# programs in ffi/tests/c and examples work linked both ways, under valgrind and the sanitizers.
# Stops at the first check that fails. Installs the Debian packages it needs.
set -euo pipefail
cd "$(dirname "$0")/.."

readonly STRICT=(-Wall -Wextra -pedantic -Werror -Wundef -Wshadow)
readonly STRICT_C=("${STRICT[@]}" -Wstrict-prototypes -Wmissing-prototypes)
readonly STRICT_CXX=("${STRICT[@]}" -Wold-style-cast -Wzero-as-null-pointer-constant)
readonly VALGRIND=(valgrind -q --leak-check=full --errors-for-leak-kinds=definite,indirect
    --error-exitcode=9 --fair-sched=yes)
# A program that hangs fails; valgrind slows them by a factor of about 30.
readonly LIMIT=(timeout 120)

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

step() { printf -- '-- %s\n' "$*"; }
fail() { printf 'c: %s\n' "$*" >&2; exit 1; }

install_packages() {
    local absent=() sudo=()
    for package in gcc g++ clang valgrind python3 binutils; do
        dpkg -s "$package" >/dev/null 2>&1 || absent+=("$package")
    done
    [ ${#absent[@]} -eq 0 ] && return 0
    step "installing ${absent[*]}"
    [ "$(id -u)" -eq 0 ] || sudo=(sudo -n)
    "${sudo[@]}" apt-get update -qq && "${sudo[@]}" apt-get install -y -qq "${absent[@]}" >/dev/null
}

# Builds the library and puts it, with the links an installation makes, into $work/lib.
build_library() {
    step "library"
    local built
    cargo build --locked --quiet -p laneway-artifact
    built=$(cargo metadata --locked --no-deps --format-version 1 |
        python3 -c 'import json, sys; print(json.load(sys.stdin)["target_directory"])')/debug
    mkdir -p "$work/lib" "$work/bin"
    cp "$built/liblaneway.a" "$work/lib/"
    cp "$built/liblaneway.so" "$work/lib/$(soname "$built/liblaneway.so")"
    ln -s "$(soname "$built/liblaneway.so")" "$work/lib/liblaneway.so"
}

soname() { readelf -d "$1" | sed -n 's/.*SONAME.*\[\(.*\)\]/\1/p'; }

check_header() {
    step "header is the generated one, documented and complete"
    cargo test --locked --quiet -p laneway-header
    ffi/generate.sh --verify
}

check_syntax() {
    local std compiler
    echo '#include "laneway.h"
#include "laneway.h"' >"$work/twice.c"
    cp "$work/twice.c" "$work/twice.cpp"
    echo '#include "laneway.hpp"' >"$work/wrapper.cpp"
    for compiler in gcc clang; do
        for std in c99 c11 c17; do
            step "header, $compiler $std"
            "$compiler" -std=$std "${STRICT_C[@]}" -Wc++-compat -Iinclude -fsyntax-only \
                "$work/twice.c"
        done
        "$compiler" -std=c11 "${STRICT_C[@]}" -Iinclude -fsyntax-only ffi/abi/layout.c
    done
    for compiler in g++ clang++; do
        for std in c++11 c++14 c++17 c++20; do
            step "header, $compiler $std"
            "$compiler" -std=$std "${STRICT_CXX[@]}" -Iinclude -fsyntax-only "$work/twice.cpp"
            "$compiler" -std=$std -fno-exceptions -fno-rtti "${STRICT_CXX[@]}" -Iinclude \
                -fsyntax-only "$work/twice.cpp"
        done
        for std in c++17 c++20; do
            step "wrapper, $compiler $std"
            "$compiler" -std=$std "${STRICT_CXX[@]}" -Iinclude -fsyntax-only "$work/wrapper.cpp"
            "$compiler" -std=$std -fno-exceptions -fno-rtti "${STRICT_CXX[@]}" -Iinclude \
                -fsyntax-only "$work/wrapper.cpp"
        done
    done
}

check_symbols() {
    step "exports are the listed symbols"
    nm -D --defined-only "$work/lib/liblaneway.so" | awk '{print $3}' | LC_ALL=C sort >"$work/exports"
    diff "$work/exports" ffi/abi/symbols.txt || fail "exports differ from ffi/abi/symbols.txt"
}

check_dynamic_section() {
    step "soname and nodelete"
    local version expected
    version=$(cargo pkgid --locked -p laneway-artifact | sed 's/.*[#@]//')
    expected=liblaneway.so.${version%.*}
    [ "$(soname "$work/lib/liblaneway.so")" = "$expected" ] || fail "the soname is not $expected"
    readelf -d "$work/lib/liblaneway.so" | grep -q NODELETE || fail "not linked with nodelete"
}

check_static_libraries() {
    step "system libraries of the static library"
    cargo rustc --locked --quiet -p laneway-artifact --crate-type staticlib -- \
        --print native-static-libs 2>&1 | sed -n 's/^note: native-static-libs: //p' >"$work/native"
    diff "$work/native" ffi/abi/native-libs.txt || fail "ffi/abi/native-libs.txt is not current"
}

# compile NAME SOURCE FLAGS...: the strictest standard of the language.
compile() {
    local out=$work/bin/$1 source=$2
    shift 2
    case $source in
    *.cpp) g++ -std=c++17 "${STRICT_CXX[@]}" -g -Iinclude "$source" -o "$out" "$@" ;;
    *) gcc -std=c99 "${STRICT_C[@]}" -g -Iinclude "$source" -o "$out" "$@" ;;
    esac
}

run() { # run NAME COMMAND...: quiet unless it fails
    local name=$1
    shift
    "${LIMIT[@]}" "$@" >"$work/said" 2>&1 || { cat "$work/said" >&2; fail "$name failed"; }
}

check_programs() {
    local source name
    local -a native
    read -ra native <ffi/abi/native-libs.txt
    for source in ffi/tests/c/*.c ffi/tests/cpp/*.cpp examples/c/*.c examples/cpp/*.cpp; do
        name=$(basename "$source")
        step "$source: static, shared, valgrind, sanitizers"
        compile "$name-static" "$source" "$work/lib/liblaneway.a" "${native[@]}"
        compile "$name-shared" "$source" -L"$work/lib" -llaneway -Wl,-rpath,"$work/lib"
        compile "$name-asan" "$source" -fsanitize=address,undefined \
            "$work/lib/liblaneway.a" "${native[@]}"
        run "$name (static)" "$work/bin/$name-static"
        run "$name (shared)" "$work/bin/$name-shared"
        run "$name (valgrind)" "${VALGRIND[@]}" "$work/bin/$name-shared"
        run "$name (sanitizers)" "$work/bin/$name-asan"
    done
    for source in ffi/tests/cpp/*.cpp examples/cpp/*.cpp; do
        name=$(basename "$source")
        step "$source: without exceptions"
        compile "$name-bare" "$source" -fno-exceptions -fno-rtti \
            -L"$work/lib" -llaneway -Wl,-rpath,"$work/lib"
        run "$name (without exceptions)" "$work/bin/$name-bare"
    done
}

# An exception that leaves a callback ends the process; it does not pass through the library.
check_exceptions_stop() {
    step "an exception that leaves a callback aborts"
    compile exception ffi/tests/aborts/exception.cpp -L"$work/lib" -llaneway \
        -Wl,-rpath,"$work/lib"
    local status=0
    { "${LIMIT[@]}" "$work/bin/exception" >"$work/said" 2>&1; } 2>/dev/null || status=$?
    [ $status -eq 134 ] || fail "expected an abort, got status $status"
    grep -q 'foreign exception' "$work/said" || fail "the abort does not say why"
}

# A program that sees the header and the shared library, and nothing else of this repository.
check_alone() {
    step "header and shared library alone"
    mkdir "$work/alone"
    cp include/laneway.h examples/c/keyed_jobs.c "$work/lib/$(soname "$work/lib/liblaneway.so")" \
        "$work/alone/"
    (
        cd "$work/alone"
        ln -s liblaneway.so.* liblaneway.so
        gcc -std=c99 "${STRICT_C[@]}" -I. keyed_jobs.c -o keyed_jobs -L. -llaneway
        run "keyed_jobs.c (alone)" env LD_LIBRARY_PATH="$PWD" ./keyed_jobs
    )
}

check_python() {
    step "examples/python/keyed_jobs.py"
    run keyed_jobs.py env LANEWAY_LIBRARY="$work/lib/liblaneway.so" \
        python3 examples/python/keyed_jobs.py
}

install_packages
check_header
build_library
check_symbols
check_dynamic_section
check_static_libraries
check_syntax
check_programs
check_exceptions_stop
check_alone
check_python
echo "c: all checks passed"
