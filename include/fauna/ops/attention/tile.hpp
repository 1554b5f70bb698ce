// The inner loops of CPU attention. Everything happens in blocks of 64 queries and 64 keys, and a block of scores lies
// transposed, [key][query], so that one vector holds the same key for W queries: maximum, sum and exponential of the
// softmax are then plain vector operations, without a sum across lanes. All seven products have one form,
//   c[m, n..] (+)= Σ_k a[m, k] · b[k, n..]
// with a broadcast from memory, either along its rows or across them, and b read in vectors.
#pragma once
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <utility>

#include <fauna/backend/simd.hpp>

#ifndef FAUNA_UNROLL
#if defined(__clang__)
#define FAUNA_UNROLL _Pragma("clang loop unroll(full)")
#else
#define FAUNA_UNROLL _Pragma("GCC unroll 64")
#endif
#endif

namespace fauna::inline v0::attention_detail {

inline constexpr int block = 64;  ///< queries, and keys, of a block

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
  p = p * (simd::vfloat<W>)(((simd::vint<W>)t << 23) + (127 << 23));
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

/// to[c][r] = from[r][c] for `rows` by `columns` elements, both multiples of W; rows of `to` lie `block` apart.
template <int W, unsigned Tag>
void transpose_rows(float* to, const float* from, int from_stride, int rows, int columns) {
  for (int r0 = 0; r0 < rows; r0 += W) {
    for (int c0 = 0; c0 < columns; c0 += W) {
      simd::vfloat<W> x[W];
      FAUNA_UNROLL
      for (int r = 0; r < W; ++r) simd::load<W>(x[r], from + (r0 + r) * from_stride + c0);
      transpose<W>(x);
      FAUNA_UNROLL
      for (int c = 0; c < W; ++c) simd::store<W>(to + (c0 + c) * block + r0, x[c]);
    }
  }
}

/// The kernels of one head size. Rows of queries, keys and values are packed to `stride` floats; the columns from Size
/// on are zero. Tag keeps builds with different flags apart.
template <int W, int Size, unsigned Tag> struct kernels {
  using vector = simd::vfloat<W>;
  static constexpr int stride = (Size + W - 1) / W * W;
  static constexpr int R = W == 16 ? 8 : 4;       ///< rows of a register tile
  static constexpr int NV = stride == W ? 1 : 2;  ///< vectors of its columns, where they run over the head
  static constexpr float nothing = -1e30F;        ///< below every score that is not masked

  /// to[r] = scale · from[r] for n rows, zero for the rest up to `rows`.
  static void pack(float* to, const float* from, std::ptrdiff_t from_stride, int n, int rows, float scale) {
    for (int r = 0; r < n; ++r, to += stride, from += from_stride) {
      FAUNA_UNROLL
      for (int d = 0; d < stride; d += W) {
        vector x;
        load_columns(x, from, d);
        simd::store<W>(to + d, x * scale);
      }
    }
    if (n < rows) std::memset(to, 0, static_cast<std::size_t>(rows - n) * stride * sizeof(float));
  }

  /// out[r] = a[r] · b[r] for `rows` packed rows, a multiple of W: W rows of partial sums, transposed, then added.
  static void row_dots(float* out, const float* a, const float* b, std::ptrdiff_t b_stride, int n, int rows) {
    for (int r0 = 0; r0 < rows; r0 += W) {
      vector x[W];
      FAUNA_UNROLL
      for (int r = 0; r < W; ++r) {
        x[r] = vector{};
        if (r0 + r >= n) continue;
        for (int d = 0; d < stride; d += W) {
          vector u, v;
          simd::load<W>(u, a + (r0 + r) * stride + d);
          load_columns(v, b + (r0 + r) * b_stride, d);
          x[r] += u * v;
        }
      }
      transpose<W>(x);
      FAUNA_UNROLL
      for (int s = W / 2; s > 0; s /= 2) {
        FAUNA_UNROLL
        for (int i = 0; i < s; ++i) x[i] += x[i + s];
      }
      simd::store<W>(out + r0, x[0]);
    }
  }

  /// s[j][i] = k_j · q_i for R keys and N vectors of queries, -inf where unseen; most[i] = max(most[i], s[.][i]).
  template <int N>
  static void scores(float* s, const float* k, const float* q_T, const std::uint64_t* seen, int i0, float* most) {
    vector sum[R][N];
    dots<N>(sum, k, q_T + i0);
    if (seen != nullptr) hide<N>(sum, seen, i0);
    FAUNA_UNROLL
    for (int n = 0; n < N; ++n) {
      vector m;
      simd::load<W>(m, most + i0 + n * W);
      FAUNA_UNROLL
      for (int r = 0; r < R; ++r) {
        simd::store<W>(s + r * block + i0 + n * W, sum[r][n]);
        m = sum[r][n] > m ? sum[r][n] : m;
      }
      simd::store<W>(most + i0 + n * W, m);
    }
  }

  /// One vector of queries against `keys` keys: s becomes exp(s - most), total and factor (what the sums so far are to
  /// be multiplied by) follow the new maximum.
  static void softmax(float* s, int keys, const float* most, float* before, float* total, float* factor) {
    vector m, old, sum, f;
    simd::load<W>(m, most);
    simd::load<W>(old, before);
    simd::load<W>(sum, total);
    exp_of_difference<W>(f, old - m);
    sum *= f;
    for (int j = 0; j < keys; ++j) {
      vector p;
      simd::load<W>(p, s + j * block);
      exp_of_difference<W>(p, p - m);
      sum += p;
      simd::store<W>(s + j * block, p);
    }
    simd::store<W>(factor, f);
    simd::store<W>(total, sum);
    simd::store<W>(before, m);
  }

  /// p[j][i] = exp(k_j · q_i - lse_i), ds[j][i] = p (m dy_i · v_j - delta_i), and m p in place of p when keep is there.
  template <int N>
  static void score_gradients(float* p, float* ds, const float* k, const float* v, const float* q_T, const float* dy_T,
                              const float* lse, const float* delta, const float* keep, const std::uint64_t* seen,
                              int i0) {
    vector sum[R][N];
    dots<N>(sum, k, q_T + i0);
    if (seen != nullptr) hide<N>(sum, seen, i0);
    FAUNA_UNROLL
    for (int n = 0; n < N; ++n) {
      vector l;
      simd::load<W>(l, lse + i0 + n * W);
      FAUNA_UNROLL
      for (int r = 0; r < R; ++r) {
        vector e;
        exp_of_difference<W>(e, sum[r][n] - l);
        simd::store<W>(p + r * block + i0 + n * W, e);
      }
    }
    dots<N>(sum, v, dy_T + i0);
    FAUNA_UNROLL
    for (int n = 0; n < N; ++n) {
      vector l;
      simd::load<W>(l, delta + i0 + n * W);
      FAUNA_UNROLL
      for (int r = 0; r < R; ++r) {
        const int at = r * block + i0 + n * W;
        vector e;
        simd::load<W>(e, p + at);
        if (keep != nullptr) {
          vector m;
          simd::load<W>(m, keep + at);
          sum[r][n] *= m;
          simd::store<W>(p + at, e * m);
        }
        simd::store<W>(ds + at, e * (sum[r][n] - l));
      }
    }
  }

  /// c[m] = c[m] (times factor[m]) + Σ a[m, k] b[k] for R rows m of all columns of the head, k in [from, to).
  /// Across: a[m, k] is a[k][m]. Rows of a lie `block` apart, those of b and c `stride`.
  template <bool Across>
  static void product(float* c, const float* factor, const float* a, const float* b, int from, int to) {
    constexpr int full = stride / W / NV * NV * W;
    for (int d = 0; d < full; d += NV * W) product_columns<NV, Across>(c + d, factor, a, b + d, from, to);
    if constexpr (full < stride) product_columns<1, Across>(c + full, factor, a, b + full, from, to);
  }

  /// to[0, Size) = x: the columns past the head stay out.
  static FAUNA_INLINE void store_columns(float* to, vector const& x, int d) {
    if (Size % W == 0 || d + W <= Size) simd::store<W>(to + d, x);
    else simd::store_first<W>(to + d, x, Size - d);
  }

 private:
  static FAUNA_INLINE void load_columns(vector& x, const float* from, int d) {
    if (Size % W == 0 || d + W <= Size) simd::load<W>(x, from + d);
    else simd::load_first<W>(x, from + d, Size - d);
  }

  template <int N> static FAUNA_INLINE void dots(vector (&sum)[R][N], const float* rows, const float* columns) {
    FAUNA_UNROLL
    for (int r = 0; r < R; ++r) {
      FAUNA_UNROLL
      for (int n = 0; n < N; ++n) sum[r][n] = vector{};
    }
    for (int d = 0; d < Size; ++d) {
      vector x[N];
      FAUNA_UNROLL
      for (int n = 0; n < N; ++n) simd::load<W>(x[n], columns + d * block + n * W);
      FAUNA_UNROLL
      for (int r = 0; r < R; ++r) {
        vector y;
        simd::broadcast<W>(y, rows[r * stride + d]);
        FAUNA_UNROLL
        for (int n = 0; n < N; ++n) sum[r][n] += y * x[n];
      }
    }
  }

  template <int N> static FAUNA_INLINE void hide(vector (&s)[R][N], const std::uint64_t* seen, int i0) {
    simd::vint<W> bit;
    FAUNA_UNROLL
    for (int l = 0; l < W; ++l) bit[l] = 1 << l;
    FAUNA_UNROLL
    for (int r = 0; r < R; ++r) {
      FAUNA_UNROLL
      for (int n = 0; n < N; ++n) {
        const auto mask = static_cast<std::int32_t>(static_cast<std::uint32_t>(seen[r] >> (i0 + n * W)));
        s[r][n] = (bit & mask) != 0 ? s[r][n] : vector{} - __builtin_inff();
      }
    }
  }

  template <int N, bool Across>
  static void product_columns(float* c, const float* factor, const float* a, const float* b, int from, int to) {
    vector sum[R][N];
    FAUNA_UNROLL
    for (int r = 0; r < R; ++r) {
      FAUNA_UNROLL
      for (int n = 0; n < N; ++n) {
        simd::load<W>(sum[r][n], c + r * stride + n * W);
        if (factor != nullptr) sum[r][n] *= factor[r];
      }
    }
    for (int k = from; k < to; ++k) {
      vector x[N];
      FAUNA_UNROLL
      for (int n = 0; n < N; ++n) simd::load<W>(x[n], b + k * stride + n * W);
      FAUNA_UNROLL
      for (int r = 0; r < R; ++r) {
        vector y;
        simd::broadcast<W>(y, Across ? a[k * block + r] : a[r * block + k]);
        FAUNA_UNROLL
        for (int n = 0; n < N; ++n) sum[r][n] += y * x[n];
      }
    }
    FAUNA_UNROLL
    for (int r = 0; r < R; ++r) {
      FAUNA_UNROLL
      for (int n = 0; n < N; ++n) simd::store<W>(c + r * stride + n * W, sum[r][n]);
    }
  }
};

}  // namespace fauna::inline v0::attention_detail
