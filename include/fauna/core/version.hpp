// The version, and what distinguishes one build of the kernels from another.
#pragma once

#define FAUNA_VERSION_MAJOR 0
#define FAUNA_VERSION_MINOR 2
#define FAUNA_VERSION_PATCH 0

namespace fauna::inline v0 {

/// Instruction sets the CPU kernels know, narrowest first. bf16 is AVX-512 with its bf16 dot product.
enum class isa : int { baseline, avx2, avx512, avx512bf16 };

/// The widest instruction set this translation unit was compiled for.
#if defined(__AVX512F__) && defined(__AVX512BW__) && defined(__AVX512VL__) && defined(__AVX512DQ__)
#if defined(__AVX512BF16__)
inline constexpr isa build_isa = isa::avx512bf16;
#else
inline constexpr isa build_isa = isa::avx512;
#endif
#elif defined(__AVX2__) && defined(__FMA__)
inline constexpr isa build_isa = isa::avx2;
#else
inline constexpr isa build_isa = isa::baseline;
#endif

constexpr const char* name_of(isa i) {
  switch (i) {
    case isa::baseline: return "baseline";
    case isa::avx2: return "avx2";
    case isa::avx512: return "avx512";
    case isa::avx512bf16: return "avx512bf16";
  }
  return "?";
}

/// Everything that makes one object file's kernels differ from another's. Backend policies carry it in their type, so
/// two translation units with different flags never share a kernel's name (the one-definition rule).
inline constexpr unsigned build_tag = static_cast<unsigned>(build_isa)
#ifdef _OPENMP
                                      + 16U
#endif
    ;

}  // namespace fauna::inline v0
