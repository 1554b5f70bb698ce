#!/usr/bin/env bash
# nvcc_nccl.sh SOURCE WORK NVCC MPICXX: the NCCL communicator becomes a program, linked with NCCL and MPI. Where there are devices,
# one for each of MPI's ranks, it is run; without any it says so.
set -euo pipefail
source=$1 work=$2 nvcc=$3 mpicxx=$4
if [[ ! -x $nvcc ]]; then
  echo "no nvcc here: skipped"
  exit 77
fi
if ! echo '#include <nccl.h>' | "$nvcc" -x cu -E - >/dev/null 2>&1; then
  echo "no NCCL beside $nvcc: skipped"
  exit 77
fi
if ! command -v "$mpicxx" >/dev/null; then
  echo "no MPI here: skipped"
  exit 77
fi
mkdir -p "$work"
includes=() libraries=(-lnccl)
for folder in $("$mpicxx" --showme:incdirs); do includes+=("-I$folder"); done
for folder in $("$mpicxx" --showme:libdirs); do libraries+=("-L$folder"); done
for library in $("$mpicxx" --showme:libs); do libraries+=("-l$library"); done
"$source/tools/cached" "$nvcc" -std=c++20 --expt-relaxed-constexpr -Xcompiler "-Wall,-Wextra" "-I$source/include" "${includes[@]}" \
  -c "$source/tests/cuda/nccl_ranks.cu" -o "$work/nccl_ranks.o"
"$nvcc" "$work/nccl_ranks.o" -o "$work/nccl_ranks" "${libraries[@]}"
if ! nvidia-smi -L >/dev/null 2>&1; then
  "$work/nccl_ranks" && exit 1
  echo "compiled and linked; not run"
  exit 0
fi
mpirun -n "$(nvidia-smi -L | wc -l)" "$work/nccl_ranks"
