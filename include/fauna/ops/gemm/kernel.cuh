// What surrounds a product that comes from a library: operands as it wants them, and the parts of the epilogue that it
// could not do itself.
#pragma once
#include <fauna/backend/simt.cuh>
#include <fauna/core/dtype.hpp>
#include <fauna/ops/activation/kernel.cuh>
#include <fauna/ops/gemm/op.hpp>

namespace fauna::inline v0::kernels {

struct Finish {
  Epilogue<float> e;  ///< without base
  Matrix<float> y;
  FAUNA_KERNEL void operator()(int r, int c) const {
    const auto at = [&](auto* p, int stride) -> auto& { return p[static_cast<std::ptrdiff_t>(r) * stride + c]; };
    float v = y(r, c);
    if (e.bias) v += e.bias[c];
    if (e.pre) at(e.pre, e.pre_stride) = v;
    if (e.gate) v *= activation_slope(e.act, at(e.gate, e.gate_stride));
    else v = activation_of(e.act, v);
    y(r, c) = v;
  }
};

/// What is left of the epilogue, if anything is.
template <Device B> void finish(B const& b, Epilogue<float> const& e, Matrix<float> y) {
  if (e.bias || e.pre || e.gate || e.act != activation::none) simt::each_element(b, y, Finish{e, y});
}

/// To nearest, ties to even.
struct RoundToBf16 {
  Matrix<const float> x;
  Matrix<bf16> y;
  FAUNA_KERNEL void operator()(int r, int c) const { y(r, c) = bf16(x(r, c)); }
};

/// x in bf16, for as long as this lives.
template <Device B> class InBf16 {
 public:
  InBf16(B const& b, Matrix<const float> x)
      : memory_(b.template temporary<bf16>(x.size())), rounded_(memory_.data(), x.rows(), x.cols()) {
    simt::each_element(b, x, RoundToBf16{x, rounded_});
  }
  Matrix<const bf16> view() const { return rounded_; }

 private:
  decltype(std::declval<B const&>().template temporary<bf16>(0)) memory_;
  Matrix<bf16> rounded_;
};

}  // namespace fauna::inline v0::kernels
