// Sums of products of unsigned weights and signed activations, four bytes to a lane, in eight lanes: what a block of 32
// weights of eight rows comes to. Whole numbers, and so the same whichever instructions add them up.
#pragma once
#include <cstdint>
#include <cstring>
#if defined(__AVX2__) || defined(__FMA__) || defined(__F16C__)
#include <immintrin.h>
#endif

#include <fauna/backend/simd.hpp>
#include <fauna/core/version.hpp>

namespace fauna::inline v0::gemm_detail {

/// 32 bytes: four weights of each of eight rows.
typedef std::uint8_t bytes32 __attribute__((vector_size(32)));

FAUNA_INLINE void read_bytes(bytes32& v, const std::byte* p) { std::memcpy(&v, p, sizeof v); }

/// What a table has for each of 32 small codes, and 128.
FAUNA_INLINE void look_up(bytes32& q, const signed char (&table)[16]) {
#if defined(__AVX2__)
  const __m256i t = _mm256_broadcastsi128_si256(_mm_loadu_si128(reinterpret_cast<const __m128i*>(table)));
  q = (bytes32)_mm256_xor_si256(_mm256_shuffle_epi8(t, (__m256i)q), _mm256_set1_epi8(-128));
#else
  for (int i = 0; i < 32; ++i) q[i] = static_cast<std::uint8_t>(table[q[i]] ^ 128);
#endif
}

/// How bytes are multiplied: by shifts and multiplications of whole lanes; by pairs into 16 bits (maddubs); by fours
/// into 32 (VNNI; where the build lacks it, as in `lanes`).
enum class byte_dot : int { lanes, pairs, fours };

template <isa T>
inline constexpr byte_dot dot_on =
#if defined(__AVXVNNI__) || (defined(__AVX512VNNI__) && defined(__AVX512VL__))
    T == isa::baseline ? byte_dot::lanes : byte_dot::fours;
#elif defined(__AVX2__)
    T == isa::baseline ? byte_dot::lanes
    : T == isa::avx2 ? byte_dot::pairs
                     : byte_dot::fours;
#else
    T == isa::baseline ? byte_dot::lanes : byte_dot::fours;
#endif

/// The sum over one block of one row of activations: Σ (w - zero) x, for weights of so many bits. `x` are four
/// activations as they lie in memory, each within [-127, 127].
template <byte_dot Dot, int Bits> struct ByteSum {
  simd::vint<8> sum{};

  FAUNA_INLINE void add(int, bytes32 const& w, std::int32_t x) {
#if defined(__AVX512VNNI__) && defined(__AVX512VL__)
    if constexpr (Dot == byte_dot::fours) {
      sum = (simd::vint<8>)_mm256_dpbusd_epi32((__m256i)sum, (__m256i)w, _mm256_set1_epi32(x));
      return;
    }
#elif defined(__AVXVNNI__)
    if constexpr (Dot == byte_dot::fours) {
      sum = (simd::vint<8>)_mm256_dpbusd_avx_epi32((__m256i)sum, (__m256i)w, _mm256_set1_epi32(x));
      return;
    }
#endif
    const simd::vuint<8> u = (simd::vuint<8>)w;
    const auto byte = [x](int i) { return int{static_cast<std::int8_t>(static_cast<std::uint32_t>(x) >> 8 * i)}; };
    sum += (simd::vint<8>)(u & 255U) * byte(0) + (simd::vint<8>)(u >> 8 & 255U) * byte(1) +
           (simd::vint<8>)(u >> 16 & 255U) * byte(2) + (simd::vint<8>)(u >> 24) * byte(3);
  }
  FAUNA_INLINE void finish(simd::vint<8>& y, int zero, int sum_of_x) { y = sum - zero * sum_of_x; }
};

#if defined(__AVX2__)
/// Pairs go into 16 bits: 8 sums of 15 · 127 · 2 fit, 4 of 31 · 127 · 2, and 2 of 63 · 127 · 2. Those of whole bytes do
/// not; there |w - 128| is multiplied by x with the sign of w - 128, of which a pair is at most 2 · 128 · 127.
template <int Bits> struct ByteSum<byte_dot::pairs, Bits> {
  __m256i sum = _mm256_setzero_si256(), pairs = _mm256_setzero_si256();

  FAUNA_INLINE void add(int group, bytes32 const& w, std::int32_t x) {
    const __m256i ones = _mm256_set1_epi16(1), xs = _mm256_set1_epi32(x);
    if constexpr (Bits == 8) {
      const __m256i v = _mm256_xor_si256((__m256i)w, _mm256_set1_epi8(-128));
      const __m256i two = _mm256_maddubs_epi16(_mm256_abs_epi8(v), _mm256_sign_epi8(xs, v));
      sum = _mm256_add_epi32(sum, _mm256_madd_epi16(two, ones));
    } else {
      pairs = _mm256_add_epi16(pairs, _mm256_maddubs_epi16((__m256i)w, xs));
      if ((Bits == 5 && group == 3) || (Bits == 6 && group % 2 == 1)) {
        sum = _mm256_add_epi32(sum, _mm256_madd_epi16(pairs, ones));
        pairs = _mm256_setzero_si256();
      }
    }
  }
  FAUNA_INLINE void finish(simd::vint<8>& y, int zero, int sum_of_x) {
    if constexpr (Bits == 8) {
      y = (simd::vint<8>)sum;  // zero is 128, and taken off already
      (void)zero, (void)sum_of_x;
    } else {
      y = (simd::vint<8>)_mm256_add_epi32(sum, _mm256_madd_epi16(pairs, _mm256_set1_epi16(1))) - zero * sum_of_x;
    }
  }
};
#endif

/// y += a b, in one rounding where the machine has that, and not where a compiler thinks fit.
FAUNA_INLINE void add_product(simd::vfloat<8>& y, simd::vfloat<8> const& a, simd::vfloat<8> const& b) {
#if defined(__FMA__)
  y = (simd::vfloat<8>)_mm256_fmadd_ps((__m256)a, (__m256)b, (__m256)y);
#else
  y += a * b;
#endif
}

/// Eight f16 numbers that are finite.
FAUNA_INLINE void read_halves(simd::vfloat<8>& v, const std::byte* p) {
#if defined(__F16C__)
  v = (simd::vfloat<8>)_mm256_cvtph_ps(_mm_loadu_si128(reinterpret_cast<const __m128i*>(p)));
#else
  typedef std::uint16_t half __attribute__((vector_size(16)));
  half h;
  std::memcpy(&h, p, sizeof h);
  const simd::vuint<8> u = __builtin_convertvector(h, simd::vuint<8>);
  // Exponent and fraction move to where f32 has them, whose exponents begin 112 lower; subnormal ones too.
  v = (simd::vfloat<8>)((u & 0x7fffU) << 13) * 0x1p112F;
  v = (simd::vfloat<8>)((simd::vuint<8>)v | (u & 0x8000U) << 16);
#endif
}

}  // namespace fauna::inline v0::gemm_detail
