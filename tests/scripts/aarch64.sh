#!/usr/bin/env bash
# aarch64.sh SOURCE WORK EIGEN FILE...: the library on another processor than x86-64. Each doctest FILE is compiled for
# it without a warning, and run under emulation.
set -euo pipefail
source=$1 work=$2 eigen=$3
compiler=aarch64-linux-gnu-g++ emulator=qemu-aarch64
for program in "$compiler" "$emulator"; do
  command -v "$program" >/dev/null || { echo "$program is not installed: nothing for ARM was compiled, not run"; exit 0; }
done
mkdir -p "$work"
compile() {
  # Headers of no processor in particular, such as doctest's, stand with the machine's own: those come last.
  "$source/tools/cached" "$compiler" -std=c++20 -O1 -fopenmp -Wall -Wextra -Wpedantic -Wconversion -Wno-restrict -Werror \
    -DFAUNA_FEWER_SIZES "-I$source" "-I$source/include" "-I$source/tests" -isystem "$eigen" -idirafter /usr/include -c "$1" -o "$2"
}
objects=()
for file in "$source/tests/main.cpp" "${@:4}"; do
  objects+=("$work/$(basename "$file").o")
  compile "$file" "${objects[-1]}"
done
# Statically, so that no libraries of the other processor need be found where it runs.
"$compiler" -fopenmp -static "${objects[@]}" -o "$work/tests" 2>"$work/link.txt" || { cat "$work/link.txt"; exit 1; }
OMP_NUM_THREADS=2 FAUNA_SOURCE_DIR=$source "$emulator" "$work/tests"
