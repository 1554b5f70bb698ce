// Vector arithmetic that attention needs beyond backend/simd.hpp: an exponential for arguments that are not large, a
// logarithm, and transposition.
#pragma once
#include <cstdint>
#include <utility>

#include <fauna/backend/simd.hpp>

namespace fauna::inline v0::attention_detail {

/// e^x for x <= 88; 0 below -87.3; NaN stays NaN. simd::exp without the clamp and the second half of 2^n that only
/// large arguments need.
template <int W> FAUNA_INLINE void exp_of_difference(simd::vfloat<W>& y, simd::vfloat<W> const& x) {
  const simd::vfloat<W> t = x * 1.44269504F + 12582912.0F;  // 1.5 * 2^23: the sum's last bits are round(x / ln 2)
  const simd::vfloat<W> n = t - 12582912.0F;
  const simd::vfloat<W> r = (x - n * 0.693359375F) - n * -2.12194440e-4F;
  simd::vfloat<W> p = r * 1.98412698e-4F + 1.38888889e-3F;  // Taylor, |r| <= ln 2 / 2
  p = p * r + 8.33333333e-3F;
  p = p * r + 4.16666667e-2F;
  p = p * r + 1.66666667e-1F;
  p = p * r + 0.5F;
  p = p * r + 1.0F;
  p = p * r + 1.0F;
  p = p * (simd::vfloat<W>)(((simd::vuint<W>)t << 23) + (127U << 23));
  y = x < -87.33654F ? simd::vfloat<W>{} : p;
}

/// ln x for normal x > 0: the exponent bits are within 0.06 of it, and each step of Halley's method on e^y = x,
/// y += 2 (x - e^y) / (x + e^y), cubes the error.
template <int W> FAUNA_INLINE void log(simd::vfloat<W>& y, simd::vfloat<W> const& x) {
  y = (__builtin_convertvector((simd::vint<W>)x, simd::vfloat<W>) - 1064986823.0F) * 8.2629582e-8F;
  for (int step = 0; step < 2; ++step) {
    simd::vfloat<W> e;
    simd::exp<W>(e, y);
    y += 2.0F * (x - e) / (x + e);
  }
}

/// y = the lanes of a followed by those of b, picked by Index::of(lane).
template <class Index, int W, int... I>
FAUNA_INLINE void pick(simd::vfloat<W>& y, simd::vfloat<W> const& a, simd::vfloat<W> const& b,
                       std::integer_sequence<int, I...>) {
  y = __builtin_shufflevector(a, b, Index::of(I)...);
}
/// Halves of a and b in alternation, in each group of 4 lanes: pieces of Width lanes, the lower or the upper half.
template <int W, int Width, int Upper> struct zip_index {
  static constexpr int of(int i) {
    return (i / Width % 2) * W + i / 4 * 4 + Upper * 2 + (Width == 1 ? i % 4 / 2 : i % 2);
  }
};
/// Every second group of Group lanes of a, then of b; the even ones or the odd ones.
template <int W, int Group, int Odd> struct deal_index {
  static constexpr int of(int i) { return i / (W / 2) * W + (i % (W / 2) / Group * 2 + Odd) * Group + i % Group; }
};
template <template <int, int, int> class Index, int W, int Size>
FAUNA_INLINE void exchange(simd::vfloat<W>& a, simd::vfloat<W>& b) {
  const simd::vfloat<W> x = a, y = b;
  pick<Index<W, Size, 0>, W>(a, x, y, std::make_integer_sequence<int, W>{});
  pick<Index<W, Size, 1>, W>(b, x, y, std::make_integer_sequence<int, W>{});
}

/// Transposes W rows of W lanes in registers: 4 x 4 blocks inside each group of 4 lanes, then the groups.
template <int W> FAUNA_INLINE void transpose(simd::vfloat<W> (&r)[W]) {
  FAUNA_UNROLL
  for (int g = 0; g < W; g += 4) {
    exchange<zip_index, W, 1>(r[g], r[g + 1]);      // a0 b0 a1 b1 | a2 b2 a3 b3
    exchange<zip_index, W, 1>(r[g + 2], r[g + 3]);  // c0 d0 c1 d1 | c2 d2 c3 d3
    exchange<zip_index, W, 2>(r[g], r[g + 2]);      // a0 b0 c0 d0 | a1 b1 c1 d1
    exchange<zip_index, W, 2>(r[g + 1], r[g + 3]);  // a2 b2 c2 d2 | a3 b3 c3 d3
    const simd::vfloat<W> second = r[g + 2];
    r[g + 2] = r[g + 1];
    r[g + 1] = second;
  }
  if constexpr (W >= 8) {
    FAUNA_UNROLL
    for (int i = 0; i < W / 2; ++i) exchange<deal_index, W, 4>(r[i / 4 * 8 + i % 4], r[i / 4 * 8 + i % 4 + 4]);
  }
  if constexpr (W == 16) {
    FAUNA_UNROLL
    for (int i = 0; i < 8; ++i) exchange<deal_index, W, 4>(r[i], r[i + 8]);
  }
}

/// to[c][r] = from[r][c] for rows x columns elements, both multiples of W.
template <int W, unsigned Tag>
void transpose_rows(float* to, int to_stride, const float* from, int from_stride, int rows, int columns) {
  for (int r0 = 0; r0 < rows; r0 += W) {
    for (int c0 = 0; c0 < columns; c0 += W) {
      simd::vfloat<W> x[W];
      FAUNA_UNROLL
      for (int r = 0; r < W; ++r) simd::load<W>(x[r], from + (r0 + r) * from_stride + c0);
      transpose<W>(x);
      FAUNA_UNROLL
      for (int c = 0; c < W; ++c) simd::store<W>(to + (c0 + c) * to_stride + r0, x[c]);
    }
  }
}

}  // namespace fauna::inline v0::attention_detail
