#!/usr/bin/env bash
# nvcc_device.sh SOURCE WORK NVCC WHAT [WORD...]: WHAT becomes a program for the oldest and for the newest architecture
# that nvcc knows, in one compilation that makes the host's code once, and no kernel of it spills a register on either.
# A file is compiled by nvcc; another name is built as the target example_cuda_WHAT of the project with FAUNA_CUDA=ON.
# Without a device the program is run to see that it says so: WORD... are its arguments. With --no-run it is not run.
set -euo pipefail
source=$1 work=$2 nvcc=$3 what=$4
shift 4
if [[ ! -x $nvcc ]]; then
  echo "no nvcc here: skipped"
  exit 77
fi
mkdir -p "$work"
known=$("$nvcc" --list-gpu-code | grep -oE '[0-9]+' | sort -n)
oldest=$(head -1 <<<"$known") newest=$(tail -1 <<<"$known")
log=$work/log
flags=(-Xptxas -v -Xcompiler "-Wall,-Wextra")
# The oldest as an intermediate language too, which a device in between translates.
compile_file() {
  program=$work/program
  "$source/tools/cached" "$nvcc" -std=c++20 --expt-relaxed-constexpr \
    -gencode "arch=compute_$oldest,code=[sm_$oldest,compute_$oldest]" -gencode "arch=compute_$newest,code=sm_$newest" \
    "${flags[@]}" "-I$source/include" -c "$what" -o "$program.o" && "$nvcc" "$program.o" -o "$program" -lcublasLt
}
# The host's code is not optimised: it takes longer than the kernels, which nvcc optimises all the same.
build_target() {
  program=$work/build/examples/cuda/$what
  rm -rf "$work/build"
  cmake -G Ninja -S "$source" -B "$work/build" --log-level=NOTICE -DFAUNA_CUDA=ON -DFAUNA_TESTS=OFF -DFAUNA_TOOLS=OFF \
    "-DCMAKE_CUDA_COMPILER=$nvcc" "-DCUDAToolkit_ROOT=$(dirname "$(dirname "$nvcc")")" \
    "-DCMAKE_CUDA_ARCHITECTURES=$oldest;$newest-real" "-DCMAKE_CUDA_FLAGS=${flags[*]}" \
    -DCMAKE_BUILD_TYPE=Release -DCMAKE_CUDA_FLAGS_RELEASE=-O0 &&
    cmake --build "$work/build" --target "example_cuda_$what"
}
if [[ $what == */* ]]; then build=compile_file; else build=build_target; fi
$build >"$log" 2>&1 || {
  cat "$log"
  exit 1
}
failed=0
for arch in "$oldest" "$newest"; do
  kernels=$(grep -c "Compiling entry function .* for 'sm_$arch'" "$log" || true)
  echo "sm_$arch: $kernels kernels"
  ((kernels > 0)) || failed=1
done
spills=$(grep -B2 -E '[1-9][0-9]* bytes spill' "$log" | grep -E 'Compiling|Function properties' | sort -u || true)
warnings=$(grep -E 'warning' "$log" || true)
most=$(grep -oE 'Used [0-9]+ registers' "$log" | grep -oE '[0-9]+' | sort -n | tail -1)
echo "up to $most registers, $(grep -c properties <<<"$spills" || true) kernels with spills"
if [[ $spills || $warnings ]]; then
  printf '%s\n' "$spills" "$warnings"
  failed=1
fi
((failed == 0)) || exit 1
[[ ${1:-} != --no-run ]] || exit 0
if said=$("$program" "$@" 2>&1); then
  echo "ran on a device: ${said##*$'\n'}"
else
  echo "$said"
  grep -q 'no device' <<<"$said"
fi
