// Packing: operands become f32, or pairs of bf16, in the order in which the tile reads them. f32 is rounded to bf16
// here, and bf16 storage is widened here; the tile never knows where its numbers came from.
#pragma once
#include <utility>

#include <fauna/ops/gemm/tile.hpp>

namespace fauna::inline v0::gemm_detail {

constexpr int pieces(int n, int size) { return (n + size - 1) / size; }

/// Pairs of bf16 where they are stored.
template <int W> struct stored_pairs {
  typedef std::uint32_t type __attribute__((vector_size(W * 4), aligned(2), may_alias));
};

/// bf16 bits of x in the upper half of each lane, the lower half zero: nearest, ties to even; NaN stays NaN.
template <int W> FAUNA_INLINE void round_to_bf16(simd::vuint<W>& y, simd::vfloat<W> const& x) {
  const simd::vuint<W> u = (simd::vuint<W>)x;
  y = (u + 0x7fffU + ((u >> 16) & 1U)) & 0xffff0000U;
  y = x != x ? (u & 0xffff0000U) | 0x400000U : y;
}

/// W elements that follow each other along k: W floats, or 2 W values as W pairs.
template <int W, class E> FAUNA_INLINE void read_along(simd::vfloat<W>& v, const E* p) { simd::load<W>(v, p); }
template <int W> FAUNA_INLINE void read_along(simd::vuint<W>& v, const bf16* p) {
  v = *reinterpret_cast<const typename stored_pairs<W>::type*>(p);
}
template <int W, int... I>
FAUNA_INLINE void even_and_odd(simd::vuint<W>& even, simd::vuint<W>& odd, simd::vuint<W> const& a,
                               simd::vuint<W> const& b, std::integer_sequence<int, I...>) {
  even = __builtin_shufflevector(a, b, (2 * I)...);
  odd = __builtin_shufflevector(a, b, (2 * I + 1)...);
}
template <int W> FAUNA_INLINE void read_along(simd::vuint<W>& v, const float* p) {
  simd::vfloat<W> x, y;
  simd::load<W>(x, p);
  simd::load<W>(y, p + W);
#ifdef FAUNA_BF16_DOT
  if constexpr (W == 16) {
    v = (simd::vuint<W>)_mm512_cvtne2ps_pbh((__m512)y, (__m512)x);
    return;
  }
#endif
  simd::vuint<W> a, b, even, odd;
  round_to_bf16<W>(a, x);
  round_to_bf16<W>(b, y);
  even_and_odd<W>(even, odd, a, b, std::make_integer_sequence<int, W>{});
  v = (even >> 16) | odd;
}

/// W elements of neighbouring columns: W floats of row r0, or the pairs of r0 (lower half) and r1 (upper half).
template <int W, class E> FAUNA_INLINE void read_across(simd::vfloat<W>& v, const E* r0, const E*) {
  simd::load<W>(v, r0);
}
template <int W, class E> FAUNA_INLINE void read_across(simd::vuint<W>& v, const E* r0, const E* r1) {
  simd::vfloat<W> x, y;
  simd::load<W>(x, r0);
  simd::load<W>(y, r1);
  simd::vuint<W> a, b;
  if constexpr (std::is_same_v<E, bf16>) {
    a = (simd::vuint<W>)x;
    b = (simd::vuint<W>)y;
  } else {
#ifdef FAUNA_BF16_DOT
    if constexpr (W == 16) {
      const __m512i order = _mm512_set_epi16(31, 15, 30, 14, 29, 13, 28, 12, 27, 11, 26, 10, 25, 9, 24, 8, 23, 7, 22, 6,
                                             21, 5, 20, 4, 19, 3, 18, 2, 17, 1, 16, 0);
      v = (simd::vuint<W>)_mm512_permutexvar_epi16(order, (__m512i)_mm512_cvtne2ps_pbh((__m512)y, (__m512)x));
      return;
    }
    if constexpr (W == 8) {
      const __m256i order = _mm256_set_epi16(15, 7, 14, 6, 13, 5, 12, 4, 11, 3, 10, 2, 9, 1, 8, 0);
      v = (simd::vuint<W>)_mm256_permutexvar_epi16(order, (__m256i)_mm256_cvtne2ps_pbh((__m256)y, (__m256)x));
      return;
    }
#endif
    round_to_bf16<W>(a, x);
    round_to_bf16<W>(b, y);
  }
  v = (a >> 16) | b;
}

/// One element, for the edges: the values at k = 0 and 1 of a run with `left` values, `next` apart.
template <class Element, class E> Element read_one(const E* p, std::ptrdiff_t next, int left) {
  if constexpr (std::is_same_v<Element, float>) return left > 0 ? static_cast<float>(*p) : 0.0F;
  else {
    const auto bits = [](E x) {
      if constexpr (std::is_same_v<E, bf16>) return std::uint32_t{x.bits};
      else return std::uint32_t{bf16_bits(x)};
    };
    return left > 1 ? bits(p[0]) | bits(p[next]) << 16 : left > 0 ? bits(p[0]) : 0U;
  }
}

/// Elements from one packed row of A to the next: a cache line more than it holds. Without it a depth of 1024 would put
/// all the rows of a tile, and all the panels that are written together, into the same few sets of the cache.
constexpr int row_of_a(int elements) { return elements + 16; }

/// Rows of A (k runs along a row) -> rows of row_of_a(elements).
template <class B, class E>
void copy_rows(const std::byte* from, std::ptrdiff_t stride, int rows, int k, typename tile<B>::element* to) {
  using T = tile<B>;
  const int elements = pieces(k, T::step);
  const E* row = reinterpret_cast<const E*>(from);
  for (int i = 0; i < rows; ++i, row += stride) {
    int p = 0;
    for (; (p + T::W) * T::step <= k; p += T::W) {
      typename T::vector v;
      read_along<T::W>(v, row + p * T::step);
      std::memcpy(to + p, &v, sizeof v);
    }
    for (; p < elements; ++p) to[p] = read_one<typename T::element>(row + p * T::step, 1, k - p * T::step);
    to += row_of_a(elements);
  }
}
/// The same, padded with zero rows to a multiple of MR.
template <class B, class E>
void pack_rows(const std::byte* from, std::ptrdiff_t stride, int rows, int k, typename tile<B>::element* to) {
  using T = tile<B>;
  copy_rows<B, E>(from, stride, rows, k, to);
  const int elements = pieces(k, T::step);
  to += static_cast<std::ptrdiff_t>(rows) * row_of_a(elements);
  for (int i = rows; i % T::MR; ++i, to += row_of_a(elements))
    for (int p = 0; p < elements; ++p) to[p] = 0;
}

/// Asks for the cache line of the value that lies `away` from p, perhaps beyond the end of the matrix.
template <class E> FAUNA_INLINE void prefetch(const E* p, std::ptrdiff_t away) {
  const auto at = reinterpret_cast<std::uintptr_t>(p) + static_cast<std::uintptr_t>(away) * sizeof(E);
  __builtin_prefetch(reinterpret_cast<const void*>(at));
}
/// Those of `count` values.
template <class E> FAUNA_INLINE void prefetch(const E* p, std::ptrdiff_t away, int count) {
  const auto from = reinterpret_cast<std::uintptr_t>(p) + static_cast<std::uintptr_t>(away) * sizeof(E);
  const auto to = from + static_cast<std::uintptr_t>(count) * sizeof(E);
  for (auto line = from; line < to; line += 64) __builtin_prefetch(reinterpret_cast<const void*>(line));
}
inline constexpr int rows_ahead = 8;  // rows that are strided over are fetched this far ahead

/// Columns of A (k runs down the matrix) -> panels of MR columns, each [elements][MR] and a gap, padded with zero
/// columns. Count whole panels advance together, so that the lines of the source are read once.
template <class B, int Count, class E>
FAUNA_INLINE void pack_whole_columns(const E* row, std::ptrdiff_t stride, int k, typename tile<B>::element* to) {
  using T = tile<B>;
  constexpr int MR = T::MR, step = T::step;
  const std::ptrdiff_t panel = static_cast<std::ptrdiff_t>(row_of_a(pieces(k, step))) * MR;
  for (int p = 0; p < k / step; ++p, row += step * stride, to += MR) {
    for (int u = 0; u < step; ++u) prefetch(row, (rows_ahead * step + u) * stride, Count * MR);
    FAUNA_UNROLL
    for (int q = 0; q < Count; ++q) {
      // Eight at a time: where MR is smaller, what runs over is overwritten next, and the gap takes the last.
      std::conditional_t<T::pairs, simd::vuint<8>, simd::vfloat<8>> v;
      read_across<8>(v, row + q * MR, row + q * MR + (step - 1) * stride);
      std::memcpy(to + q * panel, &v, sizeof v);
    }
  }
  for (int q = 0; k % step != 0 && q < Count; ++q)
    for (int i = 0; i < MR; ++i) to[q * panel + i] = read_one<typename T::element>(row + q * MR + i, stride, 1);
}
template <class B, class E>
void pack_columns(const std::byte* from, std::ptrdiff_t stride, int cols, int k, typename tile<B>::element* to) {
  using T = tile<B>;
  constexpr int MR = T::MR;
  const int elements = pieces(k, T::step);
  const std::ptrdiff_t panel = static_cast<std::ptrdiff_t>(row_of_a(elements)) * MR;
  const E* row = reinterpret_cast<const E*>(from);
  constexpr int beyond = 8 - MR;  // columns that the last panel's vector reads past its own
  for (int left = cols; left > 0;) {
    int panels = 1;
    if (left >= 8 * MR + beyond) {
      panels = 8;
      pack_whole_columns<B, 8>(row, stride, k, to);
    } else if (left >= 2 * MR + beyond) {
      panels = 2;
      pack_whole_columns<B, 2>(row, stride, k, to);
    } else if (left >= MR + beyond) {
      pack_whole_columns<B, 1>(row, stride, k, to);
    } else {
      for (int p = 0; p < elements; ++p)
        for (int i = 0; i < MR; ++i)
          to[p * MR + i] =
              i < left ? read_one<typename T::element>(row + p * T::step * stride + i, stride, k - p * T::step) : 0;
    }
    left -= panels * MR;
    row += panels * MR;
    to += panels * panel;
  }
}

/// Exchanges bit S of the row number with bit S of the lane number.
template <int S, class V, int... I> FAUNA_INLINE void exchange(V& a, V& b, std::integer_sequence<int, I...>) {
  constexpr int W = sizeof...(I);
  const V low = __builtin_shufflevector(a, b, ((I & S) ? W + I - S : I)...);
  b = __builtin_shufflevector(a, b, ((I & S) ? W + I : I + S)...);
  a = low;
}
/// r[i][l] becomes r[l][i], one bit of the two numbers at a time.
template <int W, int S, class V> FAUNA_INLINE void transpose(V* r) {
  FAUNA_UNROLL
  for (int i = 0; i < W; ++i)
    if ((i & S) == 0) exchange<S>(r[i], r[i + S], std::make_integer_sequence<int, W>{});
  if constexpr (2 * S < W) transpose<W, 2 * S>(r);
}
/// r[l][i] = element l of row i, for W elements and W rows; zero from row `rows` on.
template <int W, class V, class E>
FAUNA_INLINE void read_transposed(V* r, const E* at, std::ptrdiff_t stride, int rows) {
  FAUNA_UNROLL
  for (int l = 0; l < W; ++l) {
    if (l < rows) read_along<W>(r[l], at + l * stride);
    else r[l] = V{};
  }
  transpose<W, 1>(r);
}

/// Rows of A -> panels of MR rows, the layout that pack_columns makes.
template <class B, class E>
void pack_rows_across(const std::byte* from, std::ptrdiff_t stride, int rows, int k, typename tile<B>::element* to) {
  using T = tile<B>;
  using V = typename T::vector;
  constexpr int W = T::W, MR = T::MR, vectors = pieces(MR, W);
  const int elements = pieces(k, T::step);
  const E* row = reinterpret_cast<const E*>(from);
  for (int left = rows; left > 0; left -= MR, row += MR * stride) {
    auto* out = to;
    int p = 0;
    for (; (p + W) * T::step <= k; p += W) {
      V r[vectors][W];
      FAUNA_UNROLL
      for (int q = 0; q < vectors; ++q)
        read_transposed<W>(r[q], row + q * W * stride + p * T::step, stride, (left < MR ? left : MR) - q * W);
      // What a last vector writes beyond MR is overwritten next, and the gap takes the last.
      for (int l = 0; l < W; ++l, out += MR)
        for (int q = 0; q < vectors; ++q) std::memcpy(out + q * W, &r[q][l], sizeof(V));
    }
    for (; p < elements; ++p)
      for (int i = 0; i < MR; ++i)
        *out++ = i < left ? read_one<typename T::element>(row + i * stride + p * T::step, 1, k - p * T::step) : 0;
    to += static_cast<std::ptrdiff_t>(row_of_a(elements)) * MR;
  }
}

/// B is packed into panels of NR columns, each [elements][NR]; the last is as many vectors wide as it needs, padded
/// with zero columns. A call fills the elements [first, first + ceil(k / step)) of every panel, from k values that
/// start at `from`; only the last call of a block may get a k that is no multiple of step.
struct Piece {
  int cols, k;
  int elements;  // of the whole panel
  int first;
};

/// Rows of B (k runs down the matrix: forms nn and tn).
template <class B, class E>
void pack_straight(const std::byte* from, std::ptrdiff_t stride, Piece piece, typename tile<B>::element* to) {
  using T = tile<B>;
  constexpr int W = T::W, NR = T::NR, group = 4;
  const int whole = piece.k / T::step, count = (piece.k + T::step - 1) / T::step;
  for (int j = 0; j < piece.cols; j += group * NR) {
    const int n = piece.cols - j < group * NR ? piece.cols - j : group * NR;
    const E* row = reinterpret_cast<const E*>(from) + j;
    for (int p = 0; p < count; ++p, row += T::step * stride) {
      for (int u = 0; u < T::step; ++u) prefetch(row, (rows_ahead * T::step + u) * stride, n);
      for (int q = 0; q < n; q += NR) {
        const int m = n - q < NR ? n - q : NR, width = (m + W - 1) / W * W;
        auto* out = to + static_cast<std::ptrdiff_t>(j + q) * piece.elements +
                    static_cast<std::ptrdiff_t>(piece.first + p) * width;
        if (m == NR && p < whole) {
          FAUNA_UNROLL
          for (int i = 0; i < NR; i += W) {
            typename T::vector v;
            read_across<W>(v, row + q + i, row + q + i + (T::step - 1) * stride);
            std::memcpy(out + i, &v, sizeof v);
          }
          continue;
        }
        for (int i = 0; i < width; i += W) {
          const E* at = row + q + i;
          if (p < whole && i + W <= m) {
            typename T::vector v;
            read_across<W>(v, at, at + (T::step - 1) * stride);
            std::memcpy(out + i, &v, sizeof v);
          } else {
            for (int l = 0; l < W; ++l)
              out[i + l] = i + l < m ? read_one<typename T::element>(at + l, stride, piece.k - p * T::step) : 0;
          }
        }
      }
    }
  }
}

/// Columns of B that are stored as rows (k runs along them: form nt).
template <class B, class E>
void pack_transposed(const std::byte* from, std::ptrdiff_t stride, Piece piece, typename tile<B>::element* to) {
  using T = tile<B>;
  using V = typename T::vector;
  constexpr int W = T::W, NR = T::NR;
  const int count = (piece.k + T::step - 1) / T::step, whole = piece.k / T::step / W * W;
  for (int j = 0; j < piece.cols; j += NR) {
    const int n = piece.cols - j < NR ? piece.cols - j : NR, width = (n + W - 1) / W * W;
    auto* out = to + static_cast<std::ptrdiff_t>(j) * piece.elements + static_cast<std::ptrdiff_t>(piece.first) * width;
    for (int i = 0; i < width; i += W, out += W) {
      const E* rows = reinterpret_cast<const E*>(from) + (j + i) * stride;
      const int m = n - i < W ? n - i : W;
      for (int p = 0; p < whole; p += W) {
        V r[W];
        read_transposed<W>(r, rows + p * T::step, stride, m);
        FAUNA_UNROLL
        for (int l = 0; l < W; ++l) std::memcpy(out + static_cast<std::ptrdiff_t>(p + l) * width, &r[l], sizeof(V));
      }
      for (int p = whole; p < count; ++p)
        for (int l = 0; l < W; ++l)
          out[static_cast<std::ptrdiff_t>(p) * width + l] =
              l < m ? read_one<typename T::element>(rows + l * stride + p * T::step, 1, piece.k - p * T::step) : 0;
    }
  }
}

}  // namespace fauna::inline v0::gemm_detail
