#!/usr/bin/env bash
# nvcc_device.sh SOURCE WORK NVCC FILE [WORD...]: FILE becomes a program for the oldest and for the newest architecture
# that nvcc knows, and no kernel of it spills a register. Without a device it is run to see that it says so: WORD... are
# its arguments. With --no-run it is not run.
set -euo pipefail
source=$1 work=$2 nvcc=$3 file=$4
shift 4
if [[ ! -x $nvcc ]]; then
  echo "no nvcc here: skipped"
  exit 77
fi
mkdir -p "$work"
known=$("$nvcc" --list-gpu-code | grep -oE '[0-9]+' | sort -n)
oldest=$(head -1 <<<"$known") newest=$(tail -1 <<<"$known")
failed=0
for arch in "$oldest" "$newest"; do
  "$nvcc" -std=c++20 --expt-relaxed-constexpr "-arch=sm_$arch" -Xptxas -v -Xcompiler -Wall,-Wextra \
    "-I$source/include" "$file" -o "$work/program_$arch" -lcublasLt >"$work/log_$arch" 2>&1 || {
    cat "$work/log_$arch"
    exit 1
  }
  kernels=$(grep -c 'Compiling entry function' "$work/log_$arch" || true)
  spills=$(grep -B2 -E '[1-9][0-9]* bytes spill' "$work/log_$arch" | grep 'Function properties' | sort -u || true)
  warnings=$(grep -E 'warning' "$work/log_$arch" || true)
  most=$(grep -oE 'Used [0-9]+ registers' "$work/log_$arch" | grep -oE '[0-9]+' | sort -n | tail -1)
  echo "sm_$arch: $kernels kernels, up to $most registers, $(grep -c . <<<"$spills" || true) with spills"
  if [[ $spills || $warnings || $kernels -eq 0 ]]; then
    printf '%s\n' "$spills" "$warnings"
    failed=1
  fi
done
((failed == 0)) || exit 1
[[ ${1:-} != --no-run ]] || exit 0
if said=$("$work/program_$oldest" "$@" 2>&1); then
  echo "ran on a device: ${said##*$'\n'}"
else
  echo "$said"
  grep -q 'no device' <<<"$said"
fi
