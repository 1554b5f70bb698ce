// Matrix product on the CPU: packed panels, register tiles. What happens inside is in product.hpp, and in panels.hpp
// for weights that were packed at load.
#pragma once
#include <fauna/core/dtype.hpp>
#include <fauna/ops/gemm/op.hpp>
#include <fauna/ops/gemm/panels.hpp>
#include <fauna/ops/gemm/product.hpp>

namespace fauna::inline v0 {

template <class P, isa T, unsigned Tag> struct gemm<Cpu<P, T, Tag>> {
  using backend = Cpu<P, T, Tag>;

  /// A and B are stored in f32 or bf16; C is f32.
  template <class A, int M, int K, class W, int N, int K2, int M2, int N2>
  static void nt(backend const& b, View<A, M, K> x, View<W, N, K2> w, View<float, M2, N2> c,
                 Epilogue<float> const& e = {}) {
    product{x.rows(),
            w.rows(),
            x.cols(),
            walk(x, true),
            walk(w, true),
            pack_a(x),
            gemm_detail::pack_transposed<backend, std::remove_const_t<W>>,
            across(x),
            in_place(x),
            c.data(),
            c.stride(),
            e}
        .run(b);
  }
  template <class A, int M, int K, class W, int K2, int N, int M2, int N2>
  static void nn(backend const& b, View<A, M, K> x, View<W, K2, N> w, View<float, M2, N2> c,
                 Epilogue<float> const& e = {}) {
    product{x.rows(),
            w.cols(),
            x.cols(),
            walk(x, true),
            walk(w, false),
            pack_a(x),
            gemm_detail::pack_straight<backend, std::remove_const_t<W>>,
            across(x),
            in_place(x),
            c.data(),
            c.stride(),
            e}
        .run(b);
  }
  template <class A, int K, int M, class W, int K2, int N, int M2, int N2>
  static void tn(backend const& b, View<A, K, M> x, View<W, K2, N> w, View<float, M2, N2> c,
                 Epilogue<float> const& e = {}) {
    product{x.cols(),
            w.cols(),
            x.rows(),
            walk(x, false),
            walk(w, false),
            gemm_detail::pack_columns<backend, std::remove_const_t<A>>,
            gemm_detail::pack_straight<backend, std::remove_const_t<W>>,
            true,
            false,
            c.data(),
            c.stride(),
            e}
        .run(b);
  }

  /// The same with W packed: same bits as from W unpacked, and W is read once for up to 16 rows.
  template <class A, int M, int K, class T2, int N, int K2, int M2, int N2>
  requires std::is_same_v<std::remove_const_t<T2>, packed<backend>>
  static void nt(backend const& b, View<A, M, K> x, View<T2, N, K2> w, View<float, M2, N2> c,
                 Epilogue<float> const& e = {}) {
    const bool few = x.rows() <= gemm_detail::few_rows;  // the skinny tile reads rows
    gemm_detail::run_packed(b,
                            product{x.rows(),
                                    w.rows(),
                                    x.cols(),
                                    walk(x, true),
                                    {},
                                    few ? gemm_detail::copy_rows<backend, std::remove_const_t<A>> : pack_a(x),
                                    nullptr,
                                    across(x),
                                    in_place(x),
                                    c.data(),
                                    c.stride(),
                                    e},
                            elements(w));
  }
  /// A W that multiplies itself, as one in blocks does (blocks.hpp).
  template <class A, int M, int K, OwnProducts W, int M2, int N2>
  static void nt(backend const& b, View<A, M, K> x, W const& w, View<float, M2, N2> c, Epilogue<float> const& e = {}) {
    w.product(b, x, c, e);
  }
  template <class A, int M, int K, OwnProducts W, int M2, int N2>
  static void nn(backend const& b, View<A, M, K> x, W const& w, View<float, M2, N2> c, Epilogue<float> const& e = {}) {
    w.product_nn(b, x, c, e);
  }
  template <OwnProducts W> static void unpack_row(W const& w, int r, const float* before, float* to) {
    w.row(r, before, to);
  }
  /// Packs W, stored in f32 or bf16; `to` has packed_bytes(n, k) bytes behind it.
  template <class E, int N, int K, int N2, int K2>
  static void pack(backend const& b, View<E, N, K> w, View<packed<backend>, N2, K2> to) {
    panels(w).template pack<std::remove_const_t<E>>(b, w.data(), w.stride(), elements(to));
  }
  static constexpr std::size_t packed_bytes(int n, int k) { return 4U * gemm_detail::Panels<backend>{n, k}.size(); }
  /// to = before + row r of packed W, in f32; before may be null or `to`.
  template <class T2, int N, int K> static void unpack_row(View<T2, N, K> w, int r, const float* before, float* to) {
    panels(w).row(elements(w), r, before, to);
  }

  /// Never less for more rows or threads: what is planned for a full batch also serves a shorter one.
  static constexpr std::size_t workspace(int m, int n, int k, int threads) {
    const std::size_t blocks = static_cast<std::size_t>(threads) * gemm_detail::block_a<backend>(m, k) +
                               gemm_detail::blocks_of_b(threads) * gemm_detail::block_b<backend>(n, k),
                      few = gemm_detail::few_rows_bytes<backend>(m, k) + SharedLoop::bytes(threads);
    return 4U * blocks > few ? 4U * blocks : few;
  }

 private:
  using product = gemm_detail::Product<backend>;
  using element = typename gemm_detail::tile<backend>::element;

  template <class E, int N, int K> static gemm_detail::Panels<backend> panels(View<E, N, K> w) {
    return {w.rows(), w.cols()};
  }
  template <class T2, int N, int K> static auto elements(View<T2, N, K> w) {
    if constexpr (std::is_const_v<T2>) return reinterpret_cast<const element*>(w.data());
    else return reinterpret_cast<element*>(w.data());
  }

  template <class E, int R, int C> static gemm_detail::Operand walk(View<E, R, C> v, bool k_along_rows) {
    const std::ptrdiff_t size = v.size() > 0 ? sizeof(E) : 0, down = v.stride() * size;  // no elements, no address
    return {reinterpret_cast<const std::byte*>(v.data()), v.stride(), k_along_rows ? down : size,
            k_along_rows ? size : down};
  }
  /// A is stored as the tile reads it: f32 for f32 products; for bf16 products bf16 with whole pairs of k. A smaller
  /// first-level cache than that of AVX-512's machines has too few ways for MR long rows that lie a power of two apart.
  template <class E, int R, int C> static constexpr bool in_place(View<E, R, C> v) {
    constexpr bool same = std::is_same_v<std::remove_const_t<E>, bf16>;
    return (backend::lanes == 16 || v.cols() <= 512) &&
           (gemm_detail::tile<backend>::pairs ? same && v.cols() % 2 == 0 : !same);
  }
  /// What is not read in place is interleaved there, and copied row by row, which costs less, with AVX-512.
  template <class E, int R, int C> static constexpr bool across(View<E, R, C> v) {
    return backend::lanes < 16 && !in_place(v);
  }
  template <class E, int R, int C> static constexpr auto pack_a(View<E, R, C> v) {
    using value = std::remove_const_t<E>;
    return across(v) ? gemm_detail::pack_rows_across<backend, value> : gemm_detail::pack_rows<backend, value>;
  }
};

}  // namespace fauna::inline v0
