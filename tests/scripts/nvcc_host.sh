#!/usr/bin/env bash
# nvcc_host.sh SOURCE WORK NVCC FILE: nvcc's host pass of a doctest file: compiled as CUDA, linked, run.
set -euo pipefail
source=$1 work=$2 nvcc=$3 file=$4
if [[ ! -x $nvcc ]]; then
  echo "no nvcc here: skipped"
  exit 77
fi
mkdir -p "$work"
flags=(-x cu -std=c++20 --expt-relaxed-constexpr -O1 "-I$source/include" "-I$source" "-DFAUNA_SOURCE_DIR=\"$source\"")
[[ -f $work/main.o ]] || "$nvcc" "${flags[@]}" -c "$source/tests/main.cpp" -o "$work/main.o"
name=$(basename "$file" .cpp)
"$nvcc" "${flags[@]}" -c "$file" -o "$work/$name.o"
"$nvcc" "$work/main.o" "$work/$name.o" -o "$work/$name"
"$work/$name" --no-intro
