// The inner loops of CPU attention. Everything happens in blocks of 64 queries and 64 keys, and a block of scores lies
// transposed, [key][query], so that one vector holds the same key for W queries: maximum, sum and exponential of the
// softmax are then plain vector operations, without a sum across lanes. All seven products have one form,
//   c[m, n..] (+)= Σ_k a[m, k] · b[k, n..]
// with a broadcast from memory, either along its rows or across them, and b read in vectors.
#pragma once
#include <cstddef>
#include <cstdint>
#include <cstring>

#include <fauna/ops/attention/lanes.hpp>
#include <fauna/ops/attention/op.hpp>

namespace fauna::inline v0::attention_detail {

inline constexpr int block = key_block;  ///< queries, and keys, of a block

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

  /// n scores, a multiple of W, in place: cap tanh(s / cap). What is unseen stays so.
  static void bend(float* s, int n, float cap) {
    for (int i = 0; i < n; i += W) {
      vector x, t;
      simd::load<W>(x, s + i);
      simd::tanh<W>(t, x / cap);
      simd::store<W>(s + i, x < nothing ? x : cap * t);
    }
  }
  /// most = max(before, s[.]) of one vector of queries and `keys` keys.
  static void largest(float* most, const float* before, const float* s, int keys) {
    vector m, x;
    simd::load<W>(m, before);
    for (int j = 0; j < keys; ++j) {
      simd::load<W>(x, s + j * block);
      m = x > m ? x : m;
    }
    simd::store<W>(most, m);
  }
  /// As score_gradients, of one key and n queries, after the products: p has the scores before the cap, if there is
  /// one, ds dy_i · v_j.
  static void bend_gradients(float* p, float* ds, const float* lse, const float* delta, const float* keep, int n,
                             float cap) {
    for (int i = 0; i < n; i += W) {
      vector x, t{}, d, e, l;
      simd::load<W>(x, p + i);
      simd::load<W>(d, ds + i);
      simd::load<W>(l, lse + i);
      if (cap > 0) {
        simd::tanh<W>(t, x / cap);
        x = x < nothing ? x : cap * t;
      }
      exp_of_difference<W>(e, x - l);
      simd::load<W>(l, delta + i);
      vector m = vector{} + 1.0F;
      if (keep != nullptr) simd::load<W>(m, keep + i);
      simd::store<W>(p + i, e * m);
      simd::store<W>(ds + i, e * (d * m - l) * (1.0F - t * t));
    }
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

  /// Of one vector of queries: lse = most + ln total, and factor = 1 / total.
  static void finish(float* lse, float* factor, const float* most, const float* total) {
    vector m, t, l;
    simd::load<W>(m, most);
    simd::load<W>(t, total);
    log<W>(l, t);
    simd::store<W>(lse, m + l);
    simd::store<W>(factor, 1.0F / t);
  }

  /// x *= y, n elements, a multiple of W.
  static void multiply(float* x, const float* y, int n) {
    for (int i = 0; i < n; i += W) {
      vector u, v;
      simd::load<W>(u, x + i);
      simd::load<W>(v, y + i);
      simd::store<W>(x + i, u * v);
    }
  }

  /// to[0, Size) = factor · from: a packed row to its place.
  static void store(float* to, const float* from, float factor) {
    FAUNA_UNROLL
    for (int d = 0; d < Size; d += W) {
      vector x;
      simd::load<W>(x, from + d);
      x *= factor;
      if (Size % W == 0 || d + W <= Size) simd::store<W>(to + d, x);
      else simd::store_first<W>(to + d, x, Size - d);
    }
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
      for (int n = 0; n < N; ++n) {
        simd::load<W>(x[n], columns + d * block + n * W);
        simd::keep(x[n]);
      }
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
      for (int n = 0; n < N; ++n) {
        simd::load<W>(x[n], b + k * stride + n * W);
        simd::keep(x[n]);
      }
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
