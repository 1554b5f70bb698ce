// What the processor can execute, asked before anything runs: a program built for a wider one ends with a sentence, not
// with an illegal instruction.
#pragma once
#include <cstdio>
#include <cstdlib>

#include <fauna/core/version.hpp>

// The check itself must run on any processor, whatever the flags of the build around it.
#if defined(__x86_64__)
#define FAUNA_ANY_PROCESSOR __attribute__((noinline, target("arch=x86-64")))
#else
#define FAUNA_ANY_PROCESSOR __attribute__((noinline))
#endif

namespace fauna::inline v0 {

/// The widest instruction set that this processor and its operating system execute.
FAUNA_ANY_PROCESSOR inline isa machine_isa() {
#if defined(__x86_64__)
  if (!__builtin_cpu_supports("avx2") || !__builtin_cpu_supports("fma")) return isa::baseline;
  if (!__builtin_cpu_supports("avx512f") || !__builtin_cpu_supports("avx512bw") ||
      !__builtin_cpu_supports("avx512vl") || !__builtin_cpu_supports("avx512dq"))
    return isa::avx2;
  return __builtin_cpu_supports("avx512bf16") ? isa::avx512bf16 : isa::avx512;
#else
  return isa::baseline;
#endif
}

/// Ends the program with status 1 and the sentence `needs X, has Y: rebuild` when code built for `built` cannot run on
/// a processor that has `machine` (or lacks one of the build's `extensions`). A build narrower than the processor runs,
/// and says so.
FAUNA_ANY_PROCESSOR inline void require_isa(isa built, isa machine, bool extensions, const char* rebuild) {
  constexpr const char* names[] = {"baseline", "avx2", "avx512", "avx512bf16"};
  const char* needs = names[static_cast<int>(built)];
  const char* has = names[static_cast<int>(machine)];
  if (built > machine || !extensions) {
    std::fprintf(stderr, "[cpu] this program was built for %s%s, this processor has %s: %s\n", needs,
                 built > machine ? "" : " with extensions that are missing here", has, rebuild);
    std::exit(1);
  }
  if (built < machine)
    std::fprintf(stderr, "[cpu] this program was built for %s and this processor has %s: %s\n", needs, has, rebuild);
}

/// To be called first in main. `rebuild` is the advice for a build that does not fit the processor.
/// Tag: as for the kernels, code built with different flags must not share this function.
template <unsigned Tag = build_tag>
void require_isa(const char* rebuild = "build it again on this machine, with -march=native") {
  bool extensions = true;
  // Beyond the kernels' own instruction sets, what -march=native lets a compiler use by itself.
#ifdef __BMI2__
  extensions = extensions && __builtin_cpu_supports("bmi2");
#endif
#ifdef __AVX512VBMI__
  extensions = extensions && __builtin_cpu_supports("avx512vbmi");
#endif
#ifdef __AVX512VBMI2__
  extensions = extensions && __builtin_cpu_supports("avx512vbmi2");
#endif
#ifdef __AVX512IFMA__
  extensions = extensions && __builtin_cpu_supports("avx512ifma");
#endif
#ifdef __AVX512VNNI__
  extensions = extensions && __builtin_cpu_supports("avx512vnni");
#endif
#ifdef __AVX512BITALG__
  extensions = extensions && __builtin_cpu_supports("avx512bitalg");
#endif
#ifdef __AVX512VPOPCNTDQ__
  extensions = extensions && __builtin_cpu_supports("avx512vpopcntdq");
#endif
#ifdef __GFNI__
  extensions = extensions && __builtin_cpu_supports("gfni");
#endif
  require_isa(build_isa, machine_isa(), extensions, rebuild);
}

}  // namespace fauna::inline v0
