#pragma once
#include <fauna/backend/cpu.hpp>
#include <fauna/backend/simd.hpp>
#include <fauna/ops/adamw/pieces.hpp>
#include <fauna/ops/sgd/op.hpp>

namespace fauna::inline v0 {

template <class P, isa T, unsigned Tag> struct sgd<Cpu<P, T, Tag>> {
  using B = Cpu<P, T, Tag>;
  static constexpr int W = B::lanes;
  using vec = simd::vfloat<W>;

  static void step(B const& b, const Segment<float>* segments, int n, SgdStep const& a) {
    const auto scale = static_cast<float>(a.gradient_scale), momentum = static_cast<float>(a.momentum);
    parallel_pieces(b.threads, segments, n, [&](int i, std::size_t, std::size_t first, std::size_t count) {
      Segment<float> const& s = segments[i];
      const auto lr = static_cast<float>(a.lr * static_cast<double>(s.lr_scale));
      float *value = s.value + first, *gradient = s.gradient + first;
      float* buffer = momentum != 0.0F ? s.m + first : nullptr;
      for (int k = 0; k < static_cast<int>(count); k += W) {
        const int left = static_cast<int>(count) - k;
        vec p, g, m;
        simd::get<W>(p, value + k, left);
        simd::get<W>(g, gradient + k, left);
        g = g * scale + p * s.decay;
        if (buffer) {
          simd::get<W>(m, buffer + k, left);
          m = m * momentum + g;
          simd::put<W>(buffer + k, m, left);
          g = a.nesterov ? g + m * momentum : m;
        }
        simd::put<W>(value + k, p - g * lr, left);
        if (a.clear_gradient) simd::put<W>(gradient + k, vec{}, left);
      }
    });
  }
};

}  // namespace fauna::inline v0
