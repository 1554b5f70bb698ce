// The register tile: a block of C held in vector registers while k runs. MR rows by NV vectors of W columns; each step
// loads NV vectors of packed B, broadcasts MR elements of A, and updates all MR * NV sums.
#pragma once
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <type_traits>
#if defined(__AVX512BF16__) && defined(__AVX512BW__) && defined(__AVX512VL__)
#define FAUNA_BF16_DOT
#include <immintrin.h>
#endif

#include <fauna/backend/cpu.hpp>
#include <fauna/backend/simd.hpp>

namespace fauna::inline v0::gemm_detail {

/// Tile sizes per instruction set, and the element that packed operands consist of: an f32, or two bf16 that follow
/// each other in k, the lower k in the lower half.
template <class B> struct tile;
template <class P, isa T, unsigned Tag> struct tile<Cpu<P, T, Tag>> {
  static constexpr bool pairs = std::is_same_v<P, bf16_products>;
  static constexpr int step = pairs ? 2 : 1;  // values of k in an element
  static constexpr int W = Cpu<P, T, Tag>::lanes;
  static constexpr int MR = W == 16 ? 8 : 6, NV = W == 16 ? 3 : 2, NR = NV * W;
  using element = std::conditional_t<pairs, std::uint32_t, float>;
  using vector = std::conditional_t<pairs, simd::vuint<W>, simd::vfloat<W>>;
};

/// The bf16 dot instruction multiplies this backend's pairs; without it they are taken apart.
#ifdef FAUNA_BF16_DOT
template <class B> inline constexpr bool takes_apart = tile<B>::pairs&& tile<B>::W != 16;
#else
template <class B> inline constexpr bool takes_apart = tile<B>::pairs;
#endif

/// A pair's two values as f32, the one with the higher k first, as they are added.
struct Apart {
  float odd, even;
};

/// c += a * b in every lane.
template <int W>
FAUNA_INLINE void multiply_add(simd::vfloat<W>& c, simd::vfloat<W> const& a, simd::vfloat<W> const& b) {
  c += a * b;
}
/// c += a_odd * b_odd, then c += a_even * b_even: the order of the bf16 dot instruction.
template <int W> FAUNA_INLINE void multiply_add(simd::vfloat<W>& c, simd::vuint<W> const& a, simd::vuint<W> const& b) {
#ifdef FAUNA_BF16_DOT
  if constexpr (W == 16) {
    c = (simd::vfloat<W>)_mm512_dpbf16_ps((__m512)c, (__m512bh)a, (__m512bh)b);
    return;
  }
#endif
  c += (simd::vfloat<W>)(a & 0xffff0000U) * (simd::vfloat<W>)(b & 0xffff0000U);
  c += (simd::vfloat<W>)(a << 16) * (simd::vfloat<W>)(b << 16);
}

/// c[MR][NV * W] = start + A B over k elements. b is a packed panel [k][NV * W]. A is read where it lies:
///   along:  element (i, p) at a + i * a_step + p * 4 bytes   (rows of A as stored, or converted row by row)
///   across: element (i, p) at a + p * a_step + i * 4 bytes   (columns of A: k is the slow index)
/// start may be c itself, or null for zero.
template <class B, int NV, bool Across>
__attribute__((noinline)) void run_tile(int k, const std::byte* a, std::ptrdiff_t a_step,
                                        const typename tile<B>::element* b, const float* start,
                                        std::ptrdiff_t start_stride, float* c, std::ptrdiff_t c_stride) {
  using T = tile<B>;
  constexpr int W = T::W, MR = T::MR;
  simd::vfloat<W> sum[MR][NV];
  FAUNA_UNROLL
  for (int i = 0; i < MR; ++i) {
    FAUNA_UNROLL
    for (int j = 0; j < NV; ++j) {
      if (start) simd::load<W>(sum[i][j], start + i * start_stride + j * W);
      else sum[i][j] = simd::vfloat<W>{};
    }
  }
  FAUNA_UNROLL_4
  for (int p = 0; p < k; ++p) {
    typename T::vector bv[NV];
    FAUNA_UNROLL
    for (int j = 0; j < NV; ++j) bv[j] = *reinterpret_cast<const typename T::vector*>(b + j * W);
    FAUNA_UNROLL
    for (int i = 0; i < MR; ++i) {
      typename T::element x;
      std::memcpy(&x, Across ? a + i * 4 : a + i * a_step, 4);
      const typename T::vector av = x - typename T::vector{};
      FAUNA_UNROLL
      for (int j = 0; j < NV; ++j) multiply_add<W>(sum[i][j], av, bv[j]);
    }
    a += Across ? a_step : 4;
    b += NV * W;
  }
  FAUNA_UNROLL
  for (int i = 0; i < MR; ++i) {
    FAUNA_UNROLL
    for (int j = 0; j < NV; ++j) simd::store<W>(c + i * c_stride + j * W, sum[i][j]);
  }
}

}  // namespace fauna::inline v0::gemm_detail
