// Products with weights that were packed once, at load: panels of NR rows of W, in the order in which the tile reads
// them. One layout serves a step of one row, which streams the weights from memory once, and a prefill of hundreds. The
// tile is that of the other products, so the one-chain rule holds and every row has the same bits, whatever the number
// of rows.
#pragma once
#include <bit>
#include <cstring>

#include <fauna/ops/gemm/product.hpp>
#include <fauna/ops/gemm/skinny.hpp>

namespace fauna::inline v0::gemm_detail {

/// W [n, k] as panels: row j stands in panel j / NR; the last panel is as many vectors wide as it needs.
template <class B> struct Panels {
  using T = tile<B>;
  using element = typename T::element;
  static constexpr int NR = T::NR, W = T::W;

  int n, k;
  constexpr int elements() const { return pieces(k, T::step); }
  constexpr int width(int j) const { return least(NR, up_to(n - j / NR * NR, W)); }
  constexpr std::size_t size() const {
    return static_cast<std::size_t>(up_to(n, W)) * static_cast<std::size_t>(elements());
  }
  /// Where the panel that starts at row j starts.
  constexpr std::ptrdiff_t panel(int j) const { return static_cast<std::ptrdiff_t>(j) * elements(); }

  template <class E> void pack(B const& b, const E* from, std::ptrdiff_t stride, element* to) const {
    parallel_for(b.threads, pieces(n, NR), 1, [&](int first, int last) {
      for (int j = first * NR; j < least(last * NR, n); j += NR)
        pack_transposed<B, E>(reinterpret_cast<const std::byte*>(from + j * stride), stride,
                              {least(NR, n - j), k, elements(), 0}, to + panel(j));
    });
  }
  /// to = before + row j of W; before may be null.
  void row(const element* from, int j, const float* before, float* to) const {
    const element* at = from + panel(j / NR * NR) + j % NR;
    const int w = width(j);
    for (int p = 0; p < k; ++p) {
      float value;
      if constexpr (T::pairs) value = std::bit_cast<float>(p % 2 ? *at & 0xffff0000U : *at << 16);
      else value = *at;
      to[p] = before ? before[p] + value : value;
      if (p % T::step == T::step - 1) at += w;
    }
  }
};

/// Rows that may be read for m: whole tiles, and whole passes of four.
template <class B> constexpr int read_rows(int m) { return m == 1 ? 1 : up_to(up_to(m, tile<B>::MR), 4); }
template <class B> constexpr std::size_t few_rows_elements(int m, int k) {
  return static_cast<std::size_t>(read_rows<B>(least(m, few_rows))) *
         static_cast<std::size_t>(row_of_a(pieces(k, tile<B>::step)));
}
/// Of A packed for a few rows.
template <class B> constexpr std::size_t few_rows_bytes(int m, int k) {
  const std::size_t n = few_rows_elements<B>(m, k);
  return aligned(4U * n) + (takes_apart<B> ? aligned(sizeof(Apart) * n) : 0U);
}

/// Work that is worth a second thread: reading this many elements of W takes longer than starting it.
inline constexpr long long worth_a_thread = 65536;

template <class B> struct PackedPlan { int threads, kc, mc, nc; };
template <class B> constexpr PackedPlan<B> packed_plan(int m, int n, int k, int threads) {
  using T = tile<B>;
  PackedPlan<B> p{};
  p.threads = static_cast<long long>(n) * k < worth_a_thread ? 1 : least(threads, pieces(n, T::NR));
  p.kc = even_piece(k, deepest * T::step, 2);
  const int elements = pieces(p.kc, T::step);
  p.mc = even_piece(m, block_of_a / row_of_a(elements) / T::MR * T::MR, T::MR);
  p.nc = block_of_b / elements / T::NR * T::NR;
  if (p.nc < T::NR) p.nc = T::NR;
  return p;
}

/// C [m, n] = A [m, k] W^T for packed W. Threads own columns of C; what they share is a packed block of A.
template <class B> void run_packed(B const& backend, Product<B> const& product, const typename tile<B>::element* w) {
  using T = tile<B>;
  using element = typename T::element;
  constexpr int NR = T::NR;
  const int m = product.m, n = product.n, k = product.k;
  if (m <= 0 || n <= 0) return;
  const Panels<B> panels{n, k};
  const PackedPlan<B> p = packed_plan<B>(m, n, k, backend.threads);
  const Scope scope(*backend.scratch);
  const int row_elements = row_of_a(panels.elements());
  if (m <= few_rows) {
    const std::size_t n_of_a = few_rows_elements<B>(m, k);
    element* const a = backend.scratch->template take<element>(n_of_a);
    product.pack_a(product.a.at(0, 0), product.a.stride, m, k, a);
    std::memset(a + static_cast<std::ptrdiff_t>(m) * row_elements, 0,
                4U * static_cast<std::size_t>(read_rows<B>(m) - m) * static_cast<std::size_t>(row_elements));
    Apart* apart = nullptr;
    if constexpr (takes_apart<B>)
      if (m > 1) {
        apart = backend.scratch->template take<Apart>(n_of_a);
        for (std::size_t i = 0; i < n_of_a; ++i)
          apart[i] = {std::bit_cast<float>(a[i] & 0xffff0000U), std::bit_cast<float>(a[i] << 16)};
      }
    const SharedLoop loop(*backend.scratch, p.threads, pieces(n, NR), panels_at_once);
    parallel(p.threads, [&](Team team) {
      loop.run(team, [&](int first, int last) {
        run_few_rows<B>(product, {a, apart, row_elements}, m, w, panels.elements(), first, last);
      });
    });
    return;
  }
  element* const packed_a = backend.scratch->template take<element>(block_a<B>(m, k));
  parallel(p.threads, [&](Team team) {
    const int first = team.from(pieces(n, NR)) * NR, last = least(team.to(pieces(n, NR)) * NR, n);
    for (int i0 = 0; i0 < m; i0 += p.mc) {
      const int i1 = least(i0 + p.mc, m), direct = product.in_place ? (i1 - i0) / T::MR * T::MR : 0;
      for (int pc = 0; pc < k || pc == 0; pc += p.kc) {
        const int kc = least(p.kc, k - pc), elements = pieces(kc, T::step), row = row_of_a(elements);
        if (i0 + pc > 0) team.barrier();  // until nobody reads the block before
        const int tiles = pieces(i1 - i0 - direct, T::MR), t0 = team.from(tiles), t1 = team.to(tiles);
        if (t0 < t1 && kc > 0) {
          const int from = i0 + direct + t0 * T::MR, to = least(i0 + direct + t1 * T::MR, i1);
          product.pack_a(product.a.at(from, pc), product.a.stride, to - from, kc,
                         packed_a + static_cast<std::ptrdiff_t>(t0 * T::MR) * row);
        }
        team.barrier();
        for (int jc = first; jc < last; jc += p.nc)
          for (int i = i0; i < i1; i += T::MR) {
            const auto pa = product.rows(i, i0, direct, pc, packed_a, row);
            for (int j = jc; j < least(jc + p.nc, last); j += NR)
              product.one(i, least(T::MR, i1 - i), j, least(NR, n - j), pc, kc, pa,
                          w + panels.panel(j) + static_cast<std::ptrdiff_t>(pc / T::step) * panels.width(j));
          }
      }
    }
  });
}

}  // namespace fauna::inline v0::gemm_detail
