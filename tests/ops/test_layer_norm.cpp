#include <doctest/doctest.h>

#include <fauna/backend/cpu.hpp>
#include <fauna/ops/layer_norm/cpu.hpp>
#include <fauna/ops/layer_norm/ref.hpp>

#include "support/norm_check.hpp"

namespace test_layer_norm {

using namespace fauna;

namespace {

/// Variant 1: without bias. Offset 1: weights around zero, or none.
template <int Offset = 0, bool Weight = true> struct LayerOf {
  static constexpr bool centred = true;
  static constexpr double eps = 1e-5;
  template <class B> using In = Matrix<const typename B::scalar>;
  template <class B> using Out = Matrix<typename B::scalar>;

  /// Row 1, or null.
  template <class S> static S* second(Matrix<S> m, bool there = true) { return there && m ? m.row(1) : nullptr; }
  template <class B> static std::size_t workspace(int rows, int cols, int threads) {
    return layer_norm<B>::workspace(rows, cols, threads);
  }
  template <class B> static void forward(B const& b, In<B> x, In<B> p, int no_bias, Out<B> y, Out<B> statistics) {
    layer_norm<B>::forward(b, x, Weight ? p.row(0) : nullptr, second(p, no_bias == 0), y, statistics.data(),
                           second(statistics), eps, Offset);
  }
  template <class B>
  static void backward(B const& b, In<B> x, In<B> p, int no_bias, In<B> statistics, In<B> dy, Out<B> dx, In<B> base,
                       Out<B> dp) {
    layer_norm<B>::backward(b, x, Weight ? p.row(0) : nullptr, statistics.row(0), statistics.row(1), dy, dx, base,
                            Weight ? dp.data() : nullptr, second(dp, no_bias == 0), Offset);
  }
};
using Layer = LayerOf<>;
using Around = LayerOf<1>;
using Plain = LayerOf<1, false>;

}  // namespace

TEST_CASE_TEMPLATE("layer_norm: equals the reference on every tile and for any number of threads", B,
                   Cpu<f32_products, isa::baseline>, Cpu<f32_products, isa::avx2>, Cpu<f32_products, isa::avx512>) {
  test::check_norm<Layer, B>();
  test::check_norm<Around, B>();
  test::check_norm<Plain, B>();
}

TEST_CASE_TEMPLATE("layer_norm: outputs may be inputs, statistics and parameter gradients may be left out", B,
                   Ref<float>, Cpu<f32_products, isa::baseline>, Cpu<f32_products, isa::avx512>) {
  test::check_norm_in_place<Layer, B>();
}

TEST_CASE("layer_norm: the gradient equals the derivative of dual numbers") {
  test::check_norm_gradient<Layer>();
  test::check_norm_gradient<Around>();
  test::check_norm_gradient<Plain>();
}

}  // namespace test_layer_norm
