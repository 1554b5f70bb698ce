// Products of linear layers whose operands are rounded to eight bits, on the CPU: what float8 training computes, not
// how fast. Operands are scaled, cast (core/float8.hpp) and scaled back in f32; then they meet as in f32 products, with
// sums in f32. Which scale and format they have is torchao's, in its recipes of the same names:
//   float8_products           tensorwise: one scale for an operand; activations and weights in E4M3, gradients in E5M2
//   float8_rowwise_products   one for each row or column that is summed over, a power of two; E4M3
//   mxfp8_products            one for 32 numbers that are summed over, an E8M0 (the last block may be shorter); E4M3
// Weights, gradients of weights, moments and all other arithmetic stay f32, as do products of heads, routers and
// adapters.
#pragma once
#include <type_traits>

#include <fauna/backend/cpu.hpp>
#include <fauna/core/float8.hpp>
#include <fauna/ops/gemm/cpu.hpp>

namespace fauna::inline v0 {

namespace gemm_detail {

/// How numbers that share a scale lie in an operand [rows, cols].
enum class summed_over : int { cols, rows };

template <class P> struct float8_recipe { static constexpr bool known = false; };
template <> struct float8_recipe<float8_products> {
  static constexpr bool known = true;
  static constexpr int block = 0;  ///< numbers of a scale; 0: all that are summed over
  static constexpr bool one_scale = true;
  using gradient = e5m2;
  template <class F> static constexpr float scale(float amax) { return float8_scale(F::most, amax); }
};
template <> struct float8_recipe<float8_rowwise_products> {
  static constexpr bool known = true;
  static constexpr int block = 0;
  static constexpr bool one_scale = false;
  using gradient = e4m3;
  template <class F> static constexpr float scale(float amax) { return power_below(float8_scale(F::most, amax)); }
};
template <> struct float8_recipe<mxfp8_products> {
  static constexpr bool known = true;
  static constexpr int block = 32;
  static constexpr bool one_scale = false;
  using gradient = e4m3;
  template <class F> static constexpr float scale(float amax) { return e8m0_inverse(e8m0_scale(amax)); }
};

inline void see_amax(float& amax, float x) {
  const float size = x < 0 ? -x : x;
  if (size > amax) amax = size;
}

/// to = the numbers of `from` as eight bits hold them, F scaled by recipe P.
template <class P, class F> class Float8Copy {
  using recipe = float8_recipe<P>;

 public:
  static void run(int threads, Matrix<const float> from, Matrix<float> to, summed_over along) {
    if (recipe::one_scale) {
      float amax = 0;
      for (int r = 0; r < from.rows(); ++r)
        for (int c = 0; c < from.cols(); ++c) see_amax(amax, from(r, c));
      const float scale = recipe::template scale<F>(amax);
      parallel_for(threads, from.rows(), grain(from), [&](int first, int last) {
        for (int r = first; r < last; ++r) row(from.row(r), to.row(r), 0, from.cols(), scale);
      });
    } else if (along == summed_over::cols) {
      parallel_for(threads, from.rows(), grain(from), [&](int first, int last) {
        for (int r = first; r < last; ++r)
          blocks(from.cols(), [&](int c0, int c1) {
            float amax = 0;
            for (int c = c0; c < c1; ++c) see_amax(amax, from(r, c));
            row(from.row(r), to.row(r), c0, c1, recipe::template scale<F>(amax));
          });
      });
    } else {
      parallel_for(threads, from.cols(), strip, [&](int first, int last) {
        for (int c0 = first; c0 < last; c0 += strip) columns(from, to, c0, c0 + strip < last ? c0 + strip : last);
      });
    }
  }

 private:
  static constexpr int strip = 64;  // columns at once

  static int grain(Matrix<const float> of) { return 1 + 16384 / (of.cols() + 1); }
  /// f(first, end) for the numbers of each scale among n.
  template <class G> static void blocks(int n, G&& f) {
    const int size = recipe::block > 0 ? recipe::block : n;
    for (int at = 0; at < n; at += size) f(at, at + size < n ? at + size : n);
  }
  static void row(const float* from, float* to, int c0, int c1, float scale) {
    for (int c = c0; c < c1; ++c) to[c] = F::rounded(from[c] * scale) / scale;
  }
  static void columns(Matrix<const float> from, Matrix<float> to, int c0, int c1) {
    blocks(from.rows(), [&](int r0, int r1) {
      float scale[strip]{};
      for (int r = r0; r < r1; ++r)
        for (int c = c0; c < c1; ++c) see_amax(scale[c - c0], from(r, c));
      for (int c = c0; c < c1; ++c) scale[c - c0] = recipe::template scale<F>(scale[c - c0]);
      for (int r = r0; r < r1; ++r)
        for (int c = c0; c < c1; ++c) to(r, c) = F::rounded(from(r, c) * scale[c - c0]) / scale[c - c0];
    });
  }
};

}  // namespace gemm_detail

template <class P, isa T, unsigned Tag>
requires(gemm_detail::float8_recipe<P>::known) struct layer_gemm<Cpu<P, T, Tag>> {
  using backend = Cpu<P, T, Tag>;
  using Full = Cpu<f32_products, T, Tag>;
  using gradient = typename gemm_detail::float8_recipe<P>::gradient;

  static void nt(backend const& b, Matrix<const float> x, Matrix<const float> w, Matrix<float> c,
                 Epilogue<float> const& e = {}) {
    using enum gemm_detail::summed_over;
    rounded<e4m3>(b, x, cols, w, cols, [&](Full const& full, auto x8, auto w8) { gemm<Full>::nt(full, x8, w8, c, e); });
  }
  static void nn(backend const& b, Matrix<const float> dy, Matrix<const float> w, Matrix<float> c,
                 Epilogue<float> const& e = {}) {
    using enum gemm_detail::summed_over;
    rounded<gradient>(b, dy, cols, w, rows,
                      [&](Full const& full, auto dy8, auto w8) { gemm<Full>::nn(full, dy8, w8, c, e); });
  }
  static void tn(backend const& b, Matrix<const float> dy, Matrix<const float> x, Matrix<float> c,
                 Epilogue<float> const& e = {}) {
    using enum gemm_detail::summed_over;
    rounded<gradient>(b, dy, rows, x, rows,
                      [&](Full const& full, auto dy8, auto x8) { gemm<Full>::tn(full, dy8, x8, c, e); });
  }

  static constexpr std::size_t workspace(int m, int n, int k, int threads) {
    const auto bytes = [k](int i) { return aligned(static_cast<std::size_t>(i) * static_cast<std::size_t>(k) * 4U); };
    return bytes(m) + bytes(n) + gemm<Full>::workspace(m, n, k, threads);
  }

 private:
  /// f(policy of f32 products, first, second) with both as eight bits hold them: the first in First, the second in
  /// E4M3.
  template <class First, class F>
  static void rounded(backend const& b, Matrix<const float> first, gemm_detail::summed_over first_along,
                      Matrix<const float> second, gemm_detail::summed_over second_along, F&& f) {
    const Scope scope(*b.scratch);
    const auto copy = [&b]<class Format>(std::type_identity<Format>, Matrix<const float> from,
                                         gemm_detail::summed_over along) {
      const auto to = b.scratch->template take_view<float, dyn, dyn>(from.rows(), from.cols());
      gemm_detail::Float8Copy<P, Format>::run(b.threads, from, to, along);
      return reading(to);
    };
    const auto one = copy(std::type_identity<First>{}, first, first_along);
    const auto two = copy(std::type_identity<e4m3>{}, second, second_along);
    f(Full{b.threads, b.scratch}, one, two);
  }
};

}  // namespace fauna::inline v0
