#!/usr/bin/env bash
# nvcc_link.sh SOURCE WORK NVCC CXX: a .cu and a .cpp compiled for this processor, in one program linked by nvcc.
set -euo pipefail
source=$1 work=$2 nvcc=$3 cxx=$4
if [[ ! -x $nvcc ]]; then
  echo "no nvcc here: skipped"
  exit 77
fi
mkdir -p "$work"
includes=("-I$source/include" "-I$source/tests/flags")
"$source/tools/cached" "$nvcc" -std=c++20 --expt-relaxed-constexpr "${includes[@]}" -c "$source/tests/flags/device.cu" -o "$work/device.o"
"$source/tools/cached" "$cxx" -std=c++20 -O2 -march=native -fopenmp -DSIDE=wide "${includes[@]}" \
  -c "$source/tests/flags/side.cpp" -o "$work/wide.o"
"$source/tools/cached" "$cxx" -std=c++20 -O1 -c "$source/tests/flags/main.cpp" -o "$work/main.o"
"$nvcc" -Xcompiler -fopenmp "$work/main.o" "$work/device.o" "$work/wide.o" -o "$work/program"
"$work/program"
