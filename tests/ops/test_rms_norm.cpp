#include <doctest/doctest.h>

#include <fauna/ops/rms_norm/cpu.hpp>
#include <fauna/ops/rms_norm/ref.hpp>

#include "support/norm_check.hpp"

namespace test_rms_norm {

using namespace fauna;

namespace {

/// Variant 1: weights around zero.
struct Rms {
  static constexpr bool centred = false;
  static constexpr double eps = 1e-5;
  template <class B> using In = Matrix<const typename B::scalar>;
  template <class B> using Out = Matrix<typename B::scalar>;

  template <class B> static std::size_t workspace(int rows, int cols, int threads) {
    return rms_norm<B>::workspace(rows, cols, threads);
  }
  template <class B> static void forward(B const& b, In<B> x, In<B> p, int offset, Out<B> y, Out<B> rstd) {
    rms_norm<B>::forward(b, x, p.row(0), offset, y, rstd.data(), eps);
  }
  template <class B>
  static void backward(B const& b, In<B> x, In<B> p, int offset, In<B> rstd, In<B> dy, Out<B> dx, In<B> base,
                       Out<B> dp) {
    rms_norm<B>::backward(b, x, p.row(0), offset, rstd.data(), dy, dx, base, dp.data());
  }
};

}  // namespace

TEST_CASE_TEMPLATE("rms_norm: equals the reference on every tile and for any number of threads", B,
                   Cpu<f32_products, isa::baseline>, Cpu<f32_products, isa::avx2>, Cpu<f32_products, isa::avx512>) {
  test::check_norm<Rms, B>();
}

TEST_CASE_TEMPLATE("rms_norm: outputs may be inputs, statistics and parameter gradients may be left out", B, Ref<float>,
                   Cpu<f32_products, isa::baseline>, Cpu<f32_products, isa::avx512>) {
  test::check_norm_in_place<Rms, B>();
}

TEST_CASE("rms_norm: the gradient equals the derivative of dual numbers") { test::check_norm_gradient<Rms>(); }

}  // namespace test_rms_norm
