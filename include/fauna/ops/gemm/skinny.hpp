// A few rows times packed weights: decoding. The weights stream from memory, so what counts is that enough of them are
// under way: several panels are read at once, and before arithmetic wants them.
#pragma once
#include <fauna/ops/gemm/product.hpp>

namespace fauna::inline v0::gemm_detail {

/// 32 vector registers, not 16.
template <class B> inline constexpr bool many_registers = tile<B>::W == 16;

/// Rows for which weights are worth streaming once, whatever the cost of keeping all of k at hand.
inline constexpr int few_rows = 16;

/// What the products of R rows read A as: several rows of pairs that are taken apart are so once, and not for each
/// panel.
template <class B, int R>
using few_element = std::conditional_t<(R > 1 && takes_apart<B>), Apart, typename tile<B>::element>;

/// A packed for a few rows, its rows `stride` elements apart, and the same apart, where there are several rows and
/// pairs are taken apart.
template <class B> struct FewRowsOfA {
  const typename tile<B>::element* packed;
  const Apart* apart;
  std::ptrdiff_t stride;

  template <int R> const few_element<B, R>* row(int r) const {
    if constexpr (std::is_same_v<few_element<B, R>, Apart>) return apart + r * stride;
    else return packed + r * stride;
  }
};

/// R rows of C by P panels of NR columns in registers; only the first `rows` of them exist in memory.
template <class B, int R, int P> struct FewRows {
  using T = tile<B>;
  using element = typename T::element;
  using a_element = few_element<B, R>;
  using vector = typename T::vector;
  static constexpr int W = T::W, NV = T::NV;
  simd::vfloat<W> sum[R][P * NV];

  /// start may be null for zero.
  FAUNA_INLINE void load(const float* start, std::ptrdiff_t stride, int rows) {
    FAUNA_UNROLL
    for (int r = 0; r < R; ++r) {
      FAUNA_UNROLL
      for (int j = 0; j < P * NV; ++j) {
        if (start && r < rows) simd::load<W>(sum[r][j], start + r * stride + j * W);
        else sum[r][j] = simd::vfloat<W>{};
      }
    }
  }
  /// One element of k: row r of A at a + r * a_stride, panel q of B at b + q * panel. before(q, j): before vector j of
  /// panel q is read.
  template <class F>
  FAUNA_INLINE void add(const a_element* a, std::ptrdiff_t a_stride, const element* b, std::ptrdiff_t panel,
                        F&& before) {
    if constexpr (std::is_same_v<a_element, Apart>) return add_apart(a, a_stride, b, panel, before);
    else add_whole(a, a_stride, b, panel, before);
  }
  FAUNA_INLINE void store(float* c, std::ptrdiff_t stride, int rows) const {
    FAUNA_UNROLL
    for (int r = 0; r < R; ++r) {
      if (r < rows) {
        FAUNA_UNROLL
        for (int j = 0; j < P * NV; ++j) simd::store<W>(c + r * stride + j * W, sum[r][j]);
      }
    }
  }

 private:
  template <class F>
  FAUNA_INLINE void add_whole(const element* a, std::ptrdiff_t a_stride, const element* b, std::ptrdiff_t panel,
                              F&& before) {
    vector av[R];
    FAUNA_UNROLL
    for (int r = 0; r < R; ++r) av[r] = a[r * a_stride] - vector{};
    FAUNA_UNROLL
    for (int q = 0; q < P; ++q) {
      FAUNA_UNROLL
      for (int j = 0; j < NV; ++j) {
        before(q, j);
        vector bv = *reinterpret_cast<const vector*>(b + q * panel + j * W);
        if constexpr (R > 1 && !many_registers<B>) simd::keep(bv);
        FAUNA_UNROLL
        for (int r = 0; r < R; ++r) multiply_add<W>(sum[r][q * NV + j], av[r], bv);
      }
    }
  }
  /// The same sums in the same order as multiply_add's of pairs.
  template <class F>
  FAUNA_INLINE void add_apart(const Apart* a, std::ptrdiff_t a_stride, const element* b, std::ptrdiff_t panel,
                              F&& before) {
    FAUNA_UNROLL
    for (int q = 0; q < P; ++q) {
      simd::vfloat<W> odd[NV], even[NV];
      FAUNA_UNROLL
      for (int j = 0; j < NV; ++j) {
        before(q, j);
        vector bv = *reinterpret_cast<const vector*>(b + q * panel + j * W);
        if constexpr (!many_registers<B>) simd::keep(bv);
        odd[j] = (simd::vfloat<W>)(bv & 0xffff0000U);
        even[j] = (simd::vfloat<W>)(bv << 16);
      }
      FAUNA_UNROLL
      for (int r = 0; r < R; ++r) {
        const simd::vfloat<W> x = a[r * a_stride].odd - simd::vfloat<W>{};
        FAUNA_UNROLL
        for (int j = 0; j < NV; ++j) multiply_add<W>(sum[r][q * NV + j], x, odd[j]);
        const simd::vfloat<W> y = a[r * a_stride].even - simd::vfloat<W>{};
        FAUNA_UNROLL
        for (int j = 0; j < NV; ++j) multiply_add<W>(sum[r][q * NV + j], y, even[j]);
      }
    }
  }
};

/// C = start + A B over k elements, for P panels of B, `panel` elements apart. With 32 registers it asks for memory
/// ahead of its use. With 16, where it serves one or two rows, that is left to the processor: on Zen 3 its own
/// prefetching reads panels side by side 5 to 15 % faster than instructions that ask for them.
template <class B, int R, int P>
__attribute__((noinline)) void run_skinny(int k, const few_element<B, R>* a, std::ptrdiff_t a_stride,
                                          const typename tile<B>::element* b, std::ptrdiff_t panel, const float* start,
                                          std::ptrdiff_t start_stride, float* c, std::ptrdiff_t c_stride, int rows) {
  constexpr int W = tile<B>::W, NR = tile<B>::NR;
  constexpr bool asks = many_registers<B>;
  constexpr int ahead = P > 1 ? 1536 : 3072;  // elements: 6 or 12 KB. Nearer is too late, farther was not quicker.
  FewRows<B, R, P> block;
  block.load(start, start_stride, rows);
  // Past its end a panel's memory is that of the next one, which is read now too: from there on, the one P further.
  const int turn = P > 1 && asks ? (k > ahead / NR ? k - ahead / NR : 0) : k;
  std::ptrdiff_t away = ahead;
  for (int from = 0, to = turn; from < k; from = to, to = k) {
    if (from > 0 || to == 0) away += (P - 1) * panel;
    FAUNA_UNROLL_4
    for (int p = from; p < to; ++p, b += NR)
      block.add(a + p, a_stride, b, panel, [&](int q, int j) FAUNA_LANES {
        if constexpr (asks) prefetch(b, away + q * panel + j * W);
      });
  }
  block.store(c, c_stride, rows);
}

/// sums[R][NR] += A B over k elements of one panel. Meanwhile each step asks for a line of what is next: of P panels by
/// turns, `apart` elements apart, the first of them `away` from b, which moves on by `advance` when all had theirs.
/// With several panels it asks for the line behind that too, so that each is asked for twice: asked for once, 4 rows
/// took 6 to 12 % longer on Zen 3.
template <class B, int R, int P>
FAUNA_INLINE void run_piece(int k, const few_element<B, R>* a, std::ptrdiff_t a_stride,
                            const typename tile<B>::element* b, float* sums, std::ptrdiff_t away, std::ptrdiff_t apart,
                            int advance) {
  constexpr int NR = tile<B>::NR;
  FewRows<B, R, 1> block;
  block.load(sums, NR, R);
  const auto nothing = [](int, int) FAUNA_LANES {};
  auto soon = reinterpret_cast<std::uintptr_t>(b) + 4U * static_cast<std::uintptr_t>(away);  // perhaps beyond the end
  const std::uintptr_t turn = 4U * static_cast<std::uintptr_t>(apart), on = 4U * static_cast<unsigned>(advance);
  int p = 0;
  for (; p + 4 <= k; p += 4) {
    FAUNA_UNROLL
    for (int u = 0; u < 4; ++u, b += NR) {
      const std::uintptr_t line = soon + static_cast<unsigned>(u % P) * turn;
      __builtin_prefetch(reinterpret_cast<const void*>(line));
      if constexpr (P > 1) __builtin_prefetch(reinterpret_cast<const void*>(line + alignment));
      if ((u + 1) % P == 0) soon += on;
      block.add(a + p + u, a_stride, b, 0, nothing);
      asm volatile("");  // one step after the other: mixed, some sums would be added to twice in a row and wait
    }
  }
  for (; p < k; ++p, b += NR) block.add(a + p, a_stride, b, 0, nothing);
  block.store(sums, NR, R);
}

/// m rows, at most M, R at a time, for `count` whole panels from panel i on, at most P. They go by in rounds: in each
/// of them every panel gives a piece of k to all passes, while that is in the first-level cache. Meanwhile all ask for
/// the pieces of the next round, or for the start of the next P panels, by turns, so that memory is busy in all of
/// them. Each panel is `lead` elements ahead of the one before: panels are often a multiple of 4 KB apart, and in step
/// they would meet in the same sets of that cache.
template <class B, int M, int R, int P>
__attribute__((noinline)) void skinny_pieces(Product<B> const& product, FewRowsOfA<B> const& a, int m,
                                             const typename tile<B>::element* panels, int elements, int i, int count) {
  static_assert(M % R == 0);
  constexpr int NR = tile<B>::NR, lead = P > 1 ? 16 : 0;  // 1 KB where W is 8
  const int passes = pieces(m, R), rows = passes * R, advance = NR / passes;
  const int steps = P > 1 ? 16 * passes : even_piece(elements, 128, 4);  // of a piece: 1, 2 or 8 KB where W is 8
  const int rest = elements - (P - 1) * lead, rounds = rest > steps ? pieces(rest, steps) : 1;
  const std::ptrdiff_t panel = static_cast<std::ptrdiff_t>(NR) * elements;
  alignas(64) float sums[P * M * NR];  // [count][rows][NR]: rows of C, side by side
  for (int q = 0; q < count; ++q)
    for (int r = 0; r < rows; ++r) {
      const float* const start = r < m ? product.start(r, (i + q) * NR, 0) : nullptr;
      float* const sum = sums + (q * rows + r) * NR;
      if (start) std::memcpy(sum, start, sizeof(float) * NR);
      else std::memset(sum, 0, sizeof(float) * NR);
    }
  for (int round = 0; round < rounds; ++round) {
    const bool last = round + 1 == rounds;
    const int done = (round + 1) * steps;
    // from the start of the first panel
    std::ptrdiff_t next = last ? P * panel : static_cast<std::ptrdiff_t>(done) * NR;
    const std::ptrdiff_t apart = last ? panel : panel + lead * NR;
    for (int q = 0; q < count; ++q) {
      const int from = round == 0 ? 0 : done - steps + q * lead, to = last ? elements : done + q * lead;
      const std::ptrdiff_t at = q * panel + static_cast<std::ptrdiff_t>(from) * NR;
      for (int r = 0; r < rows; r += R, next += (to - from) / P * advance)
        run_piece<B, R, P>(to - from, a.template row<R>(r) + from, a.stride, panels + at, sums + (q * rows + r) * NR,
                           next - at, apart, advance);
    }
  }
  float* const c = product.c + i * NR;
  for (int q = 0; q < count; ++q)
    for (int r = 0; r < m; ++r)
      std::memcpy(c + r * product.c_stride + q * NR, sums + (q * rows + r) * NR, sizeof(float) * NR);
  if (finishes(product.e)) finish<B>(product.e, 0, i * NR, m, count * NR, c, product.c_stride);
}

/// m rows of C = A W^T, R at a time, for panels [first, last) of W, P at once: A is zero from row m on; of one row
/// nothing else is read. A panel is used for all rows while it is in the cache. Pieces: the most rows of a product
/// whose panels go by in pieces, or 0.
template <class B, int R, int P, int Pieces = 0>
void skinny_rows(Product<B> const& product, FewRowsOfA<B> const& a, int m, const typename tile<B>::element* w,
                 int elements, int first, int last) {
  constexpr int NR = tile<B>::NR, MR = tile<B>::MR;
  const std::ptrdiff_t panel = static_cast<std::ptrdiff_t>(NR) * elements;
  for (int i = first; i < last;) {
    const int j = i * NR, whole = least(least(last, product.n / NR) - i, P);
    const auto* const panels = w + i * panel;
    if (Pieces > 0 ? whole > 0 : whole == P) {
      if constexpr (Pieces > 0) {
        skinny_pieces<B, Pieces, R, P>(product, a, m, panels, elements, i, whole);
      } else {
        for (int r = 0; r < m; r += R) {
          const int rows = least(R, m - r);
          float* const c = product.c + r * product.c_stride + j;
          run_skinny<B, R, P>(elements, a.template row<R>(r), a.stride, panels, panel, product.start(r, j, 0),
                              product.start_stride(0), c, product.c_stride, rows);
          if (finishes(product.e)) finish<B>(product.e, r, j, rows, P * NR, c, product.c_stride);
        }
      }
      i += whole;
    } else {  // one by one, by the tile of other products, whose rows are MR
      for (int r = 0; r < m; r += MR)
        product.one(r, least(MR, m - r), j, least(NR, product.n - j), 0, product.k,
                    {reinterpret_cast<const std::byte*>(a.packed + r * a.stride), m == 1 ? 0 : 4 * a.stride, false},
                    panels);
      ++i;
    }
  }
}

/// The most panels that are read at once.
inline constexpr int panels_at_once = 4;

/// As many panels at once as registers allow for m rows, or, with 16 registers, as memory likes best.
template <class B>
void run_few_rows(Product<B> const& product, FewRowsOfA<B> const& a, int m, const typename tile<B>::element* w,
                  int elements, int first, int last) {
  constexpr bool many = many_registers<B>;
  if (m == 1) skinny_rows<B, 1, panels_at_once>(product, a, m, w, elements, first, last);
  else if (m == 2) skinny_rows<B, 2, many ? 4 : 2>(product, a, m, w, elements, first, last);
  else if constexpr (many) {
    if (m <= 4) skinny_rows<B, 4, 2>(product, a, m, w, elements, first, last);
    else skinny_rows<B, tile<B>::MR, 1>(product, a, m, w, elements, first, last);
  } else {
    if (m <= 8) skinny_rows<B, 4, panels_at_once, 8>(product, a, m, w, elements, first, last);
    else skinny_rows<B, 4, 1, few_rows>(product, a, m, w, elements, first, last);
  }
}

}  // namespace fauna::inline v0::gemm_detail
