#!/usr/bin/env bash
# nvcc_parity.sh SOURCE WORK NVCC FILE MAIN: the test FILE of the kernels as a program for a device, linked with the
# object MAIN, and run where there is a device.
set -euo pipefail
source=$1 work=$2 nvcc=$3 file=$4 main=$5
if [[ ! -x $nvcc ]]; then
  echo "no nvcc here: skipped"
  exit 77
fi
mkdir -p "$work"
# For the device; the compiler's own choice where there is none. Not -arch=native, which a compiler cache does not see
# through. The host's code, which is not optimised, takes longer to compile than the kernels.
device=$(nvidia-smi --query-gpu=compute_cap --format=csv,noheader 2>/dev/null | head -1 | tr -d .) || device=
"$source/tools/cached" "$nvcc" -x cu -std=c++20 --expt-relaxed-constexpr -O0 ${device:+-arch=sm_$device} "-I$source/include" "-I$source/tests" \
  -c "$source/tests/$file" -o "$work/test.o"
"$nvcc" "$main" "$work/test.o" -o "$work/test" -lcublasLt
status=0
"$work/test" --no-intro || status=$?
[[ $status == 77 ]] && echo "compiled and linked; not run" && exit 0
exit $status
