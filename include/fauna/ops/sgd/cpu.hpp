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
      const float decay = s.decay;
      const bool nesterov = a.nesterov, clear = a.clear_gradient;
      simd::for_lanes<W>(static_cast<int>(count), [=](int k, int left) FAUNA_LANES {
        vec p, g, m;
        simd::get<W>(p, value + k, left);
        simd::get<W>(g, gradient + k, left);
        g = g * scale + p * decay;
        if (buffer) {
          simd::get<W>(m, buffer + k, left);
          m = m * momentum + g;
          simd::put<W>(buffer + k, m, left);
          g = nesterov ? g + m * momentum : m;
        }
        simd::put<W>(value + k, p - g * lr, left);
        if (clear) simd::put<W>(gradient + k, vec{}, left);
      });
    });
  }
};

}  // namespace fauna::inline v0
