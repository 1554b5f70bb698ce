// Matrix product on the CPU: packed panels, register tiles (Goto & van de Geijn 2008, "Anatomy of high-performance
// matrix multiplication"). Blocking and threads never change a bit of the result: see the one-chain rule in op.hpp.
#pragma once
#include <fauna/ops/gemm/finish.hpp>
#include <fauna/ops/gemm/op.hpp>
#include <fauna/ops/gemm/pack.hpp>
#include <fauna/ops/gemm/tile.hpp>

namespace fauna::inline v0::gemm_detail {

constexpr int least(int a, int b) { return a < b ? a : b; }
constexpr int up_to(int n, int multiple) { return (n + multiple - 1) / multiple * multiple; }

/// How a product is cut. Rows: threads share the packed B and each owns rows of C. Columns: each owns columns of C and
/// packs its own B, so nobody waits.
struct Plan {
  int threads;
  bool columns;
  int mc, nc, kc;  // block of C (mc x nc), and of k
};

template <class B> constexpr Plan plan(bool columns, int m, int n, int k, int threads) {
  using T = tile<B>;
  const long long flops = 2LL * m * n * k;
  const int most = up_to(columns ? n : m, columns ? T::NR : T::MR) / (columns ? T::NR : T::MR);
  Plan p{};
  p.threads = flops < 1'000'000 ? 1 : least(threads, most < 1 ? 1 : most);
  p.columns = columns && p.threads > 1;
  const int blocks = (k + 512 * T::step - 1) / (512 * T::step);
  p.kc = blocks < 1 ? 0 : up_to((k + blocks - 1) / blocks, 2);
  p.mc = least(up_to(m, T::MR), 24 * T::MR);
  p.nc = least(up_to(n, T::W), p.columns ? 4 * T::NR : 4096 / T::NR * T::NR);
  return p;
}
template <class B> constexpr Plan plan(int m, int n, int k, int threads) {
  return plan<B>(n >= 2 * m, m, n, k, threads);
}

/// Elements of one packed block. A's has slack for the whole vectors that pack_columns stores.
template <class B> constexpr std::size_t block_a(Plan const& p) {
  return static_cast<std::size_t>(p.mc) * static_cast<std::size_t>((p.kc + tile<B>::step - 1) / tile<B>::step) + 8U;
}
template <class B> constexpr std::size_t block_b(Plan const& p) {
  return static_cast<std::size_t>(p.nc) * static_cast<std::size_t>((p.kc + tile<B>::step - 1) / tile<B>::step);
}
template <class B> constexpr std::size_t bytes(Plan const& p) {
  const auto t = static_cast<std::size_t>(p.threads);
  return t * aligned(4 * block_a<B>(p)) + (p.columns ? t : 2U) * aligned(4 * block_b<B>(p));
}

/// An operand: where element (i, k) lies, and who packs a block of it.
template <class B> struct Operand {
  using pack_function = void(const std::byte*, std::ptrdiff_t stride, int rows, int k, typename tile<B>::element*);
  const std::byte* data;
  std::ptrdiff_t stride, step_i, step_k;  // stride of the matrix in elements, steps in bytes
  pack_function* pack;
  const std::byte* at(int i, int k) const { return data + i * step_i + k * step_k; }
};

template <class B> struct Product {
  using T = tile<B>;
  using element = typename T::element;
  static constexpr int MR = T::MR, NR = T::NR, W = T::W;
  using kernel = void(int, const std::byte*, std::ptrdiff_t, const element*, const float*, std::ptrdiff_t, float*,
                      std::ptrdiff_t);

  int m, n, k;
  Operand<B> a, b;
  bool across;    // k runs down A
  bool in_place;  // whole tiles of A are read where they lie
  float* c;
  std::ptrdiff_t c_stride;
  Epilogue<float> const& e;

  template <bool Across> static constexpr kernel* pick(int vectors) {
    if constexpr (T::NV == 3) {
      if (vectors == 3) return run_tile<B, 3, Across>;
    }
    return vectors == 2 ? run_tile<B, 2, Across> : run_tile<B, 1, Across>;
  }

  /// C[i, i + rows) x [j, j + cols), at most MR x NR, over k in [pc, pc + kc).
  void one(int i, int rows, int j, int cols, int pc, int kc, const std::byte* pa, std::ptrdiff_t a_step,
           const element* pb) const {
    float* out = c + i * c_stride + j;
    const float* start = pc > 0 ? out : e.base ? e.base + static_cast<std::ptrdiff_t>(i) * e.base_stride + j : nullptr;
    const std::ptrdiff_t start_stride = pc > 0 ? c_stride : e.base_stride;
    const int vectors = (cols + W - 1) / W, elements = (kc + T::step - 1) / T::step;
    kernel* const run = across ? pick<true>(vectors) : pick<false>(vectors);
    if (rows == MR && cols == vectors * W) {
      run(elements, pa, a_step, pb, start, start_stride, out, c_stride);
    } else {  // an edge: the tile overhangs C
      alignas(64) float whole[MR * NR]{};
      const int width = vectors * W;
      if (start)
        for (int r = 0; r < rows; ++r)
          std::memcpy(whole + r * width, start + r * start_stride, static_cast<std::size_t>(cols) * 4U);
      run(elements, pa, a_step, pb, whole, width, whole, width);
      for (int r = 0; r < rows; ++r)
        std::memcpy(out + r * c_stride, whole + r * width, static_cast<std::size_t>(cols) * 4U);
    }
    if (pc + kc == k && (e.bias || e.pre || e.gate || e.act != activation::none))
      finish<B>(e, i, j, rows, cols, out, c_stride);
  }

  /// Rows [m0, m1) x columns [n0, n1) of C. The team packs each block of B together, into one of two buffers by turns:
  /// with one barrier a block, nobody overwrites what another still reads.
  void work(Plan const& p, Team team, int m0, int m1, int n0, int n1, element* const (&buffer)[2], element* own) const {
    int turn = 0;
    for (int jc = n0; jc < n1; jc += p.nc) {
      const int nc = least(p.nc, n1 - jc), panels = (nc + NR - 1) / NR;
      int pc = 0;
      do {
        const int kc = least(p.kc, k - pc), elements = (kc + T::step - 1) / T::step;
        element* const packed = buffer[turn];
        turn ^= 1;
        const int j0 = team.from(panels) * NR, j1 = least(team.to(panels) * NR, nc);
        if (j0 < j1)
          b.pack(b.at(jc + j0, pc), b.stride, j1 - j0, kc, packed + static_cast<std::ptrdiff_t>(j0) * elements);
        team.barrier();
        for (int ic = m0; ic < m1; ic += p.mc) block(ic, least(p.mc, m1 - ic), jc, nc, pc, kc, packed, own);
        pc += p.kc;
      } while (pc < k);
    }
  }

  void block(int ic, int mc, int jc, int nc, int pc, int kc, const element* packed, element* own) const {
    const int elements = (kc + T::step - 1) / T::step;
    const int direct = in_place ? mc / MR * MR : 0;  // rows that need no packing
    if (direct < mc) a.pack(a.at(ic + direct, pc), a.stride, mc - direct, kc, own);
    for (int i = 0; i < mc; i += MR) {
      const bool here = i < direct;
      const std::byte* pa =
          here ? a.at(ic + i, pc)
               : reinterpret_cast<const std::byte*>(own + static_cast<std::ptrdiff_t>(i - direct) * elements);
      const std::ptrdiff_t a_step = here ? a.step_i : 4 * static_cast<std::ptrdiff_t>(across ? MR : elements);
      for (int j = 0; j < nc; j += NR)
        one(ic + i, least(MR, mc - i), jc + j, least(NR, nc - j), pc, kc, pa, a_step,
            packed + static_cast<std::ptrdiff_t>(j) * elements);
    }
  }

  void run(B const& backend) const {
    if (m <= 0 || n <= 0) return;
    const Plan p = plan<B>(m, n, k, backend.threads);
    Arena& scratch = *backend.scratch;
    const Scope scope(scratch);
    element* const own = scratch.take<element>(static_cast<std::size_t>(p.threads) * up_to_line(block_a<B>(p)));
    element* const shared =
        scratch.take<element>((p.columns ? static_cast<std::size_t>(p.threads) : 2U) * up_to_line(block_b<B>(p)));
    parallel(p.threads, [&](Team team) {
      element* const mine = own + static_cast<std::size_t>(team.thread) * up_to_line(block_a<B>(p));
      if (p.columns) {
        const int tiles = (n + NR - 1) / NR;
        element* const packed = shared + static_cast<std::size_t>(team.thread) * up_to_line(block_b<B>(p));
        work(p, Team{}, 0, m, team.from(tiles) * NR, least(team.to(tiles) * NR, n), {packed, packed}, mine);
      } else {
        const int tiles = (m + MR - 1) / MR;
        work(p, team, team.from(tiles) * MR, least(team.to(tiles) * MR, m), 0, n,
             {shared, shared + up_to_line(block_b<B>(p))}, mine);
      }
    });
  }
  static constexpr std::size_t up_to_line(std::size_t elements) { return aligned(4U * elements) / 4U; }
};

}  // namespace fauna::inline v0::gemm_detail

namespace fauna::inline v0 {

template <class P, isa T, unsigned Tag> struct gemm<Cpu<P, T, Tag>> {
  using backend = Cpu<P, T, Tag>;

  /// A and B are stored in f32 or bf16; C is f32.
  template <class A, int M, int K, class W, int N, int K2, int M2, int N2>
  static void nt(backend const& b, View<A, M, K> x, View<W, N, K2> w, View<float, M2, N2> c,
                 Epilogue<float> const& e = {}) {
    product{x.rows(), w.rows(), x.cols(), rows(x), transposed(w), false, in_place(x), c.data(), c.stride(), e}.run(b);
  }
  template <class A, int M, int K, class W, int K2, int N, int M2, int N2>
  static void nn(backend const& b, View<A, M, K> x, View<W, K2, N> w, View<float, M2, N2> c,
                 Epilogue<float> const& e = {}) {
    product{x.rows(), w.cols(), x.cols(), rows(x), straight(w), false, in_place(x), c.data(), c.stride(), e}.run(b);
  }
  template <class A, int K, int M, class W, int K2, int N, int M2, int N2>
  static void tn(backend const& b, View<A, K, M> x, View<W, K2, N> w, View<float, M2, N2> c,
                 Epilogue<float> const& e = {}) {
    product{x.cols(), w.cols(), x.rows(), columns(x), straight(w), true, false, c.data(), c.stride(), e}.run(b);
  }

  /// Never decreases when m grows: what is planned for a full batch also serves a shorter one.
  static constexpr std::size_t workspace(int m, int n, int k, int threads) {
    const std::size_t rows = gemm_detail::bytes<backend>(gemm_detail::plan<backend>(false, m, n, k, threads));
    const std::size_t columns = gemm_detail::bytes<backend>(gemm_detail::plan<backend>(true, m, n, k, threads));
    return rows > columns ? rows : columns;
  }

 private:
  using product = gemm_detail::Product<backend>;
  using operand = gemm_detail::Operand<backend>;

  template <class E, int R, int C>
  static operand walk(View<E, R, C> v, bool k_along_rows, typename operand::pack_function* pack) {
    const std::ptrdiff_t size = sizeof(E), down = v.stride() * size;
    return {reinterpret_cast<const std::byte*>(v.data()), v.stride(), k_along_rows ? down : size,
            k_along_rows ? size : down, pack};
  }
  template <class E, int R, int C> static operand rows(View<E, R, C> v) {
    return walk(v, true, gemm_detail::pack_rows<backend, std::remove_const_t<E>>);
  }
  template <class E, int R, int C> static operand columns(View<E, R, C> v) {
    return walk(v, false, gemm_detail::pack_columns<backend, std::remove_const_t<E>>);
  }
  template <class E, int R, int C> static operand transposed(View<E, R, C> v) {
    return walk(v, true, gemm_detail::pack_transposed<backend, std::remove_const_t<E>>);
  }
  template <class E, int R, int C> static operand straight(View<E, R, C> v) {
    return walk(v, false, gemm_detail::pack_straight<backend, std::remove_const_t<E>>);
  }
  /// Stored as the tile reads it: f32 for f32 products; for bf16 products bf16 with whole pairs of k.
  template <class E, int R, int C> static constexpr bool in_place(View<E, R, C> v) {
    constexpr bool same = std::is_same_v<std::remove_const_t<E>, bf16>;
    return gemm_detail::tile<backend>::pairs ? same && v.cols() % 2 == 0 : !same;
  }
};

}  // namespace fauna::inline v0
