#pragma once
#include <cmath>

#include <fauna/ops/adamw/op.hpp>
#include <fauna/ops/adamw/pieces.cuh>

namespace fauna::inline v0 {
namespace kernels {

struct AdamWFloats {
  float keep, step_size, root_scale;
};

struct AdamW {
  static constexpr int threads = 256;
  using Shared = None;
  const SegmentPieces* segments;
  const AdamWFloats* factors;
  int n;
  float beta1_rest, beta2, beta2_rest, eps, gradient_scale;  // rest: 1 - β
  bool clear_gradient;

  template <class T> FAUNA_KERNEL void operator()(T const& t, Shared&) const {
    each_of_piece(t, threads, segments, n, [&](Segment<float> const& s, int i, std::size_t k) {
      AdamWFloats const& f = factors[i];
      const float g = s.gradient[k] * gradient_scale;
      const float m = s.m[k] + (g - s.m[k]) * beta1_rest;
      const float v = s.v[k] * beta2 + g * g * beta2_rest;
      s.value[k] = s.value[k] * f.keep - f.step_size * m / (std::sqrt(v) / f.root_scale + eps);
      s.m[k] = m;
      s.v[k] = v;
      if (clear_gradient) s.gradient[k] = 0;
    });
  }
};

}  // namespace kernels

template <Device B> struct adamw<B> {
  static void step(B const& b, const Segment<float>* segments, int n, AdamWStep const& a) {
    const kernels::PieceTable<B> table(b, segments, n);
    std::vector<kernels::AdamWFloats> factors;
    for (int i = 0; i < n; ++i) {
      const AdamWFactors f(a, static_cast<double>(segments[i].decay), static_cast<double>(segments[i].lr_scale));
      factors.push_back(
          {static_cast<float>(f.keep), static_cast<float>(f.step_size), static_cast<float>(f.root_scale)});
    }
    const auto copy = b.upload(factors.data(), n);
    b.launch(kernels::AdamW{table.data(), copy.data(), n, static_cast<float>(1 - a.beta1), static_cast<float>(a.beta2),
                            static_cast<float>(1 - a.beta2), static_cast<float>(a.eps),
                            static_cast<float>(a.gradient_scale), a.clear_gradient},
             table.pieces());
  }
};

}  // namespace fauna::inline v0
