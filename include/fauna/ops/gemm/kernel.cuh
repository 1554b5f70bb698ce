// What follows a product that came from a library: the parts of the epilogue that it could not do itself.
#pragma once
#include <fauna/backend/simt.cuh>
#include <fauna/ops/activation/kernel.cuh>
#include <fauna/ops/gemm/op.hpp>

namespace fauna::inline v0::kernels {

struct Finish {
  static constexpr int threads = 256;
  using Shared = None;
  Epilogue<float> e;  ///< without base
  Matrix<float> y;
  template <class T> FAUNA_KERNEL void operator()(T const& t, Shared&) const {
    int r, c;
    if (!simt::find_element(t, threads, y, r, c)) return;
    const auto at = [&](auto* p, int stride) -> auto& { return p[static_cast<std::ptrdiff_t>(r) * stride + c]; };
    float v = y(r, c);
    if (e.bias) v += e.bias[c];
    if (e.pre) at(e.pre, e.pre_stride) = v;
    if (e.gate) v *= activation_slope(e.act, at(e.gate, e.gate_stride));
    else v = activation_of(e.act, v);
    y(r, c) = v;
  }
};

constexpr bool finishes(Epilogue<float> const& e) { return e.bias || e.pre || e.gate || e.act != activation::none; }

}  // namespace fauna::inline v0::kernels
