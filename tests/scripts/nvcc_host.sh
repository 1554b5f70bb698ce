#!/usr/bin/env bash
# nvcc_host.sh SOURCE WORK NVCC FILE MAIN: nvcc's host pass of the doctest FILE: compiled as CUDA, linked with the
# object MAIN, run.
set -euo pipefail
source=$1 work=$2 nvcc=$3 file=$4 main=$5
if [[ ! -x $nvcc ]]; then
  echo "no nvcc here: skipped"
  exit 77
fi
mkdir -p "$work"
"$source/tools/cached" "$nvcc" -x cu -std=c++20 --expt-relaxed-constexpr -O1 "-I$source/include" "-I$source/tests" \
  -c "$file" -o "$work/test.o"
"$nvcc" "$main" "$work/test.o" -o "$work/test"
"$work/test" --no-intro
