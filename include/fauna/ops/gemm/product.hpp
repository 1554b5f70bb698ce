// One matrix product: how it is cut into blocks and tiles, and who computes which (Goto & van de Geijn 2008, "Anatomy
// of high-performance matrix multiplication"). Blocking and threads never change a bit of the result: see the one-chain
// rule in op.hpp.
#pragma once
#include <fauna/ops/gemm/finish.hpp>
#include <fauna/ops/gemm/op.hpp>
#include <fauna/ops/gemm/pack.hpp>
#include <fauna/ops/gemm/tile.hpp>

namespace fauna::inline v0::gemm_detail {

/// In packed elements of 4 bytes: the depth of a block in k (a panel of A in the first-level cache), a block of B (384
/// KB of a second-level cache), a block of packed A (streams from the cache beyond).
inline constexpr int deepest = 1024, block_of_b = 98304, block_of_a = 589824;

constexpr int least(int a, int b) { return a < b ? a : b; }
constexpr int up_to(int n, int multiple) { return pieces(n, multiple) * multiple; }
/// The largest size of equal pieces, multiples of `grain`, that n falls into when none may exceed `most`.
constexpr int even_piece(int n, int most, int grain) {
  return n < 1 ? grain : up_to(pieces(n, pieces(n, most < grain ? grain : most)), grain);
}

/// How a product is cut. By rows: threads own rows of C and pack each block of B together. By columns: threads own
/// columns of C and pack their own B, so nobody waits for anybody.
struct Plan {
  int threads;
  bool columns;
  int mc, nc, kc;  // at most: rows of packed A, columns of packed B, depth of both
};

/// A block of B (nc x kc) stays in the second-level cache; panels of A stream past it, each from the first level.
template <class B> constexpr Plan plan(bool columns, int m, int n, int k, int threads) {
  using T = tile<B>;
  Plan p{};
  const int tiles = columns ? pieces(n, T::NR) : pieces(m, T::MR);
  p.threads = 2LL * m * n * k < 1'000'000 ? 1 : least(threads, tiles);
  p.columns = columns && p.threads > 1;
  const int own_m = p.columns ? m : pieces(tiles, p.threads) * T::MR,
            own_n = p.columns ? pieces(tiles, p.threads) * T::NR : n;
  p.kc = even_piece(k, deepest * T::step, 2);
  const int elements = pieces(p.kc, T::step);
  p.nc = even_piece(own_n, block_of_b / elements / T::NR * T::NR, T::NR);
  p.mc = even_piece(own_m, block_of_a / row_of_a(elements) / T::MR * T::MR, T::MR);
  return p;
}
template <class B> constexpr Plan plan(int m, int n, int k, int threads) {
  return plan<B>(n >= 2 * m, m, n, k, threads);
}

/// Elements that one packed block of A, of B, may need: never fewer for more rows, columns or k.
constexpr std::size_t block_elements(int n, int depth, int most) {
  const std::size_t all = static_cast<std::size_t>(n) * static_cast<std::size_t>(depth);
  const auto cap = static_cast<std::size_t>(most);
  return aligned(4U * (all < cap ? all : cap)) / 4U;
}
template <class B> constexpr std::size_t block_a(int m, int k) {
  return block_elements(up_to(m, tile<B>::MR), row_of_a(least(pieces(k, tile<B>::step), deepest)), block_of_a);
}
template <class B> constexpr std::size_t block_b(int n, int k) {
  return block_elements(up_to(n, tile<B>::W), least(pieces(k, tile<B>::step), deepest), block_of_b);
}
/// Blocks of B: two for a team that packs together, or one a thread.
constexpr std::size_t blocks_of_b(int threads) { return threads > 2 ? static_cast<std::size_t>(threads) : 2U; }

/// A matrix: where its element (i, k) lies. i counts rows of op(A) or columns of op(B).
struct Operand {
  const std::byte* data;
  std::ptrdiff_t stride;          // in values, as stored
  std::ptrdiff_t step_i, step_k;  // in bytes
  const std::byte* at(int i, int k) const { return data + i * step_i + k * step_k; }
};

template <class B> struct Product {
  using T = tile<B>;
  using element = typename T::element;
  static constexpr int MR = T::MR, NR = T::NR, W = T::W;

  int m, n, k;
  Operand a, b;
  void (*pack_a)(const std::byte*, std::ptrdiff_t stride, int rows, int k, element*);
  void (*pack_b)(const std::byte*, std::ptrdiff_t stride, Piece, element*);
  bool across;    // A is packed in panels of MR rows, k outermost; else row by row
  bool in_place;  // whole tiles of A are read where they lie; then not across
  float* c;
  std::ptrdiff_t c_stride;
  Epilogue<float> const& e;

  /// Row i, column j of what the chain continues from at k = pc; null: zero.
  const float* start(int i, int j, int pc) const {
    return pc > 0   ? c + i * c_stride + j
           : e.base ? e.base + static_cast<std::ptrdiff_t>(i) * e.base_stride + j
                    : nullptr;
  }
  std::ptrdiff_t start_stride(int pc) const { return pc > 0 ? c_stride : e.base_stride; }

  template <bool Across> static constexpr auto* pick(int vectors) {
    if constexpr (T::NV == 3) {
      if (vectors == 3) return run_tile<B, 3, Across>;
    }
    return vectors == 2 ? run_tile<B, 2, Across> : run_tile<B, 1, Across>;
  }

  /// MR rows of A as the tile reads them.
  struct Rows {
    const std::byte* data;
    std::ptrdiff_t step;
    bool across;
  };
  /// Those from row i on, from k = pc on: the first `direct` rows of the block that starts at i0 where they lie, the
  /// others packed.
  Rows rows(int i, int i0, int direct, int pc, const element* packed, int row) const {
    if (i - i0 < direct) return {a.at(i, pc), a.step_i, false};
    return {reinterpret_cast<const std::byte*>(packed + static_cast<std::ptrdiff_t>(i - i0 - direct) * row),
            4 * static_cast<std::ptrdiff_t>(across ? MR : row), across};
  }

  /// C[i, i + rows) x [j, j + cols), at most MR x NR, over k in [pc, pc + kc).
  void one(int i, int rows, int j, int cols, int pc, int kc, Rows pa, const element* pb) const {
    float* out = c + i * c_stride + j;
    const float* from = start(i, j, pc);
    const int vectors = pieces(cols, W), elements = pieces(kc, T::step);
    auto* const run = pa.across ? pick<true>(vectors) : pick<false>(vectors);
    if (rows == MR && cols == vectors * W) {
      run(elements, pa.data, pa.step, pb, from, start_stride(pc), out, c_stride);
    } else {  // an edge: the tile overhangs C
      alignas(64) float whole[MR * NR]{};
      const int width = vectors * W;
      for (int r = 0; from && r < rows; ++r)
        std::memcpy(whole + r * width, from + r * start_stride(pc), static_cast<std::size_t>(cols) * 4U);
      run(elements, pa.data, pa.step, pb, whole, width, whole, width);
      for (int r = 0; r < rows; ++r)
        std::memcpy(out + r * c_stride, whole + r * width, static_cast<std::size_t>(cols) * 4U);
    }
    if (pc + kc == k && finishes(e)) finish<B>(e, i, j, rows, cols, out, c_stride);
  }

  void prefetch_tile(int i, int j, int pc) const {
    const float* p = start(i, j, pc);
    std::ptrdiff_t stride = start_stride(pc);
    if (p == nullptr) {
      p = c + i * c_stride + j;
      stride = c_stride;
    }
    for (int r = 0; r < least(MR, m - i); ++r) prefetch(p, r * stride, NR);
  }

  /// Rows [i0, i1) of C times one packed block of B. own: those rows of A, packed, if they are not read in place.
  void sweep(int i0, int i1, int jc, int nc, int pc, int kc, const element* packed, const element* own,
             int direct) const {
    const int elements = pieces(kc, T::step), row = row_of_a(elements);
    for (int i = i0; i < i1; i += MR) {
      const Rows pa = rows(i, i0, direct, pc, own, row);
      for (int j = 0; j < nc; j += NR) {
        if (j + NR < nc) prefetch_tile(i, jc + j + NR, pc);
        else if (i + MR < i1) prefetch_tile(i + MR, jc, pc);
        one(i, least(MR, i1 - i), jc + j, least(NR, nc - j), pc, kc, pa,
            packed + static_cast<std::ptrdiff_t>(j) * elements);
      }
    }
  }

  /// Rows [m0, m1) x columns [n0, n1) of C, in `turns` blocks of rows. The team packs each block of B together, into
  /// one of two buffers by turns: with one barrier a block, nobody overwrites what another still reads.
  void work(Plan const& p, Team team, int turns, int m0, int m1, int n0, int n1, element* const (&buffer)[2],
            element* own) const {
    const int blocks_n = pieces(n1 - n0, p.nc), blocks_k = k < 1 ? 1 : pieces(k, p.kc);
    int turn = 0;
    for (int t = 0; t < turns; ++t) {
      const int i0 = least(m0 + t * p.mc, m1), i1 = in_place ? m1 : least(i0 + p.mc, m1);
      const int direct = in_place ? (i1 - i0) / MR * MR : 0;
      for (int block = 0; block < blocks_n * blocks_k; ++block) {
        // Read in place, A costs nothing: finish a block of C first. Packed, it is kept for all columns.
        const int jc = n0 + p.nc * (in_place ? block / blocks_k : block % blocks_n);
        const int pc = p.kc * (in_place ? block % blocks_k : block / blocks_n);
        const int nc = least(p.nc, n1 - jc), kc = least(p.kc, k - pc), elements = pieces(kc, T::step);
        if (kc > 0 && i0 + direct < i1 && (in_place || jc == n0))
          pack_a(a.at(i0 + direct, pc), a.stride, i1 - i0 - direct, kc, own);
        element* const packed = buffer[turn];
        turn ^= 1;
        const int grains = pieces(elements, W), p0 = team.from(grains) * W, p1 = least(team.to(grains) * W, elements);
        const int k0 = p0 * T::step;
        if (p0 < p1) pack_b(b.at(jc, pc + k0), b.stride, {nc, least(p1 * T::step, kc) - k0, elements, p0}, packed);
        team.barrier();
        sweep(i0, i1, jc, nc, pc, kc, packed, own, direct);
      }
    }
  }

  void run(B const& backend) const {
    if (m <= 0 || n <= 0) return;
    const Plan p = plan<B>(m, n, k, backend.threads);
    const std::size_t size_a = block_a<B>(m, k), size_b = block_b<B>(n, k);
    Arena& scratch = *backend.scratch;
    const Scope scope(scratch);
    element* const as = scratch.take<element>(static_cast<std::size_t>(p.threads) * size_a);
    element* const bs = scratch.take<element>(blocks_of_b(p.threads) * size_b);
    parallel(p.threads, [&](Team team) {
      const auto t = static_cast<std::size_t>(team.thread);
      const int tiles = p.columns ? pieces(n, NR) : pieces(m, MR);
      const int from = team.from(tiles), to = team.to(tiles);
      if (p.columns) {
        work(p, Team{}, in_place ? 1 : pieces(m, p.mc), 0, m, from * NR, least(to * NR, n),
             {bs + t * size_b, bs + t * size_b}, as + t * size_a);
      } else {
        const int most = pieces(tiles, team.threads) * MR;
        work(p, team, in_place ? 1 : pieces(most, p.mc), from * MR, least(to * MR, m), 0, n, {bs, bs + size_b},
             as + t * size_a);
      }
    });
  }
};

}  // namespace fauna::inline v0::gemm_detail
