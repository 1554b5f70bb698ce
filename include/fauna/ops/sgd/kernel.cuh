#pragma once
#include <fauna/ops/adamw/pieces.cuh>
#include <fauna/ops/sgd/op.hpp>

namespace fauna::inline v0 {
namespace kernels {

struct Sgd {
  static constexpr int threads = 256;
  using Shared = None;
  const SegmentPieces* segments;
  int n;
  float lr, momentum, gradient_scale;
  bool nesterov, clear_gradient;

  template <class T> FAUNA_KERNEL void operator()(T const& t, Shared&) const {
    each_of_piece(t, threads, segments, n, [&](Segment<float> const& s, int, std::size_t k) {
      const float g = s.gradient[k] * gradient_scale + s.value[k] * s.decay;
      float d = g;
      if (momentum != 0) {
        const float m = s.m[k] * momentum + g;
        d = nesterov ? g + momentum * m : m;
        s.m[k] = m;
      }
      s.value[k] -= lr * s.lr_scale * d;
      if (clear_gradient) s.gradient[k] = 0;
    });
  }
};

}  // namespace kernels

template <Device B> struct sgd<B> {
  static void step(B const& b, const Segment<float>* segments, int n, SgdStep const& a) {
    const kernels::PieceTable<B> table(b, segments, n);
    b.launch(kernels::Sgd{table.data(), n, static_cast<float>(a.lr), static_cast<float>(a.momentum),
                          static_cast<float>(a.gradient_scale), a.nesterov, a.clear_gradient},
             table.pieces());
  }
};

}  // namespace fauna::inline v0
