// A few rows times packed weights: decoding. The weights stream from memory, so what counts is that enough of them are
// under way: several panels are read at once, and ahead of their use.
#pragma once
#include <fauna/ops/gemm/product.hpp>

namespace fauna::inline v0::gemm_detail {

/// sum[R][P panels of NR] = start + A B over k elements; row r of A at a + r * a_stride elements, panel q of B at b + q
/// * panel. start may be c, or null for zero. Meanwhile it asks for memory: a step of each panel `ahead` of its use, or
/// with Part, where every step is a cache line, for a part of what other passes ask for too, from `part` on.
template <class B, int R, int P, bool Part = false>
__attribute__((noinline)) void run_skinny(int k, const typename tile<B>::element* a, std::ptrdiff_t a_stride,
                                          const typename tile<B>::element* b, std::ptrdiff_t panel, const float* start,
                                          std::ptrdiff_t start_stride, float* c, std::ptrdiff_t c_stride, int rows,
                                          const typename tile<B>::element* part = nullptr, int part_step = 0) {
  using T = tile<B>;
  constexpr int W = T::W, NV = T::NV;
  constexpr int ahead = P > 1 ? 1536 : 3072;  // elements: 6 or 12 KB. Nearer is too late, farther was not quicker.
  simd::vfloat<W> sum[R][P * NV];
  FAUNA_UNROLL
  for (int r = 0; r < R; ++r) {
    FAUNA_UNROLL
    for (int j = 0; j < P * NV; ++j) {
      if (start && r < rows) simd::load<W>(sum[r][j], start + r * start_stride + j * W);
      else sum[r][j] = simd::vfloat<W>{};
    }
  }
  // Past its end a panel's memory is that of the next one, which is read now too: from there on, the one P further.
  const int turn = P > 1 && !Part ? (k > ahead / (NV * W) ? k - ahead / (NV * W) : 0) : k;
  const auto* soon = b + ahead;
  for (int from = 0, to = turn; from < k; from = to, to = k) {
    if (from > 0 || to == 0) soon += (P - 1) * panel;
    FAUNA_UNROLL_4
    for (int p = from; p < to; ++p) {
      if constexpr (Part) __builtin_prefetch(part + p * part_step);
      typename T::vector av[R];
      FAUNA_UNROLL
      for (int r = 0; r < R; ++r) av[r] = a[r * a_stride + p] - typename T::vector{};
      FAUNA_UNROLL
      for (int q = 0; q < P; ++q) {
        FAUNA_UNROLL
        for (int j = 0; j < NV; ++j) {
          const auto* at = b + q * panel + j * W;
          if constexpr (!Part) __builtin_prefetch(soon + q * panel + j * W);
          const typename T::vector bv = *reinterpret_cast<const typename T::vector*>(at);
          FAUNA_UNROLL
          for (int r = 0; r < R; ++r) multiply_add<W>(sum[r][q * NV + j], av[r], bv);
        }
      }
      b += NV * W;
      soon += NV * W;
    }
  }
  FAUNA_UNROLL
  for (int r = 0; r < R; ++r) {
    if (r < rows) {
      FAUNA_UNROLL
      for (int j = 0; j < P * NV; ++j) simd::store<W>(c + r * c_stride + j * W, sum[r][j]);
    }
  }
}

/// A panel of W, from column j of C on, whose rows take several passes of R: it goes by in pieces of 8 KB, each
/// through all passes while it is in the first-level cache, and each pass asks for its part of the next piece, so that
/// memory is busy in all of them.
template <class B, int R>
void skinny_pieces(Product<B> const& product, const typename tile<B>::element* a, std::ptrdiff_t a_stride, int m,
                   const typename tile<B>::element* panel, int elements, int j) {
  using T = tile<B>;
  constexpr int NR = T::NR;
  const int passes = pieces(m, R), most = even_piece(elements, 2048 / NR, 1), step = NR / passes;
  for (int p = 0; p == 0 || p < elements; p += most) {
    const int n = least(most, elements - p), pc = p * T::step;
    const auto* const piece = panel + static_cast<std::ptrdiff_t>(p) * NR;
    for (int r = 0; r < m; r += R) {
      const auto* const part = piece + static_cast<std::ptrdiff_t>(n) * (NR + r / R * step);
      run_skinny<B, R, 1, true>(n, a + r * a_stride + p, a_stride, piece, 0, product.start(r, j, pc),
                                product.start_stride(pc), product.c + r * product.c_stride + j, product.c_stride,
                                least(R, m - r), part, step);
    }
  }
  if (finishes(product.e)) finish<B>(product.e, 0, j, m, NR, product.c + j, product.c_stride);
}

/// m rows of C = A W^T, R at a time, for panels [first, last) of W: A is packed, its rows a_stride apart, and zero from
/// row m on; of one row nothing else is read. A panel is used for all rows while it is in the cache.
template <class B, int R, int P>
void skinny_rows(Product<B> const& product, const typename tile<B>::element* a, std::ptrdiff_t a_stride, int m,
                 const typename tile<B>::element* w, int elements, int first, int last) {
  using T = tile<B>;
  constexpr int NR = T::NR;
  const std::ptrdiff_t panel = static_cast<std::ptrdiff_t>(NR) * elements;
  for (int i = first; i < last;) {
    const int j = i * NR;
    const bool whole = i + P <= last && (i + P) * NR <= product.n;
    const auto* const panels = w + i * panel;
    if constexpr (P == 1 && NR * 4 <= 64) {
      if (whole && m > R) {
        skinny_pieces<B, R>(product, a, a_stride, m, panels, elements, j);
        ++i;
        continue;
      }
    }
    for (int r = 0; r < m; r += R) {
      const int rows = least(R, m - r);
      const auto* own = a + r * a_stride;
      if (whole) {
        float* const c = product.c + r * product.c_stride + j;
        run_skinny<B, R, P>(elements, own, a_stride, panels, panel, product.start(r, j, 0), product.start_stride(0), c,
                            product.c_stride, rows);
        if (finishes(product.e)) finish<B>(product.e, r, j, rows, P * NR, c, product.c_stride);
      } else {
        product.one(r, rows, j, least(NR, product.n - j), 0, product.k,
                    {reinterpret_cast<const std::byte*>(own), m == 1 ? 0 : 4 * a_stride, false}, panels);
      }
    }
    i += whole ? P : 1;
  }
}

/// The most panels that are read at once.
inline constexpr int panels_at_once = 4;

/// As many panels at once as registers allow for m rows. With 16 registers memory is busier in several passes over a
/// piece than in one over a panel: two of two rows for four, and of four rows beyond.
template <class B>
void run_few_rows(Product<B> const& product, const typename tile<B>::element* a, std::ptrdiff_t a_stride, int m,
                  const typename tile<B>::element* w, int elements, int first, int last) {
  using T = tile<B>;
  constexpr bool many = T::W == 16;  // 32 registers, not 16
  if (m == 1) skinny_rows<B, 1, panels_at_once>(product, a, a_stride, m, w, elements, first, last);
  else if (m == 2) skinny_rows<B, 2, many ? 4 : 2>(product, a, a_stride, m, w, elements, first, last);
  else if (m <= 4) skinny_rows<B, many ? 4 : 2, many ? 2 : 1>(product, a, a_stride, m, w, elements, first, last);
  else skinny_rows<B, many ? T::MR : 4, 1>(product, a, a_stride, m, w, elements, first, last);
}

}  // namespace fauna::inline v0::gemm_detail
