#pragma once
#include <fauna/backend/cpu.hpp>
#include <fauna/backend/simd.hpp>
#include <fauna/ops/adamw/op.hpp>
#include <fauna/ops/adamw/pieces.hpp>

namespace fauna::inline v0 {

template <class P, isa T, unsigned Tag> struct adamw<Cpu<P, T, Tag>> {
  using B = Cpu<P, T, Tag>;
  static constexpr int W = B::lanes;
  using vec = simd::vfloat<W>;

  static void step(B const& b, const Segment<float>* segments, int n, AdamWStep const& a) {
    parallel_pieces(b.threads, segments, n, [&](int i, std::size_t, std::size_t first, std::size_t count) {
      Segment<float> const& s = segments[i];
      piece(s.value + first, s.gradient + first, s.m + first, s.v + first, static_cast<int>(count),
            AdamWFactors(a, s.decay, s.lr_scale), a);
    });
  }

 private:
  static void piece(float* value, float* gradient, float* m, float* v, int count, AdamWFactors const& f,
                    AdamWStep const& a) {
    const auto scale = static_cast<float>(a.gradient_scale), keep = static_cast<float>(f.keep),
               m_part = static_cast<float>(1 - a.beta1), v_keep = static_cast<float>(a.beta2),
               v_part = static_cast<float>(1 - a.beta2), root = static_cast<float>(1 / f.root_scale),
               eps = static_cast<float>(a.eps), size = static_cast<float>(f.step_size);
    const bool clear = a.clear_gradient;
    simd::for_lanes<W>(count, [=](int i, int left) FAUNA_LANES {
      vec p, g, mean, square, r;
      simd::get<W>(p, value + i, left);
      simd::get<W>(g, gradient + i, left);
      simd::get<W>(mean, m + i, left);
      simd::get<W>(square, v + i, left);
      g *= scale;
      mean += (g - mean) * m_part;
      square = square * v_keep + g * g * v_part;
      simd::sqrt<W>(r, square);
      p = p * keep - size * mean / (r * root + eps);
      simd::put<W>(value + i, p, left);
      simd::put<W>(m + i, mean, left);
      simd::put<W>(v + i, square, left);
      if (clear) simd::put<W>(gradient + i, vec{}, left);
    });
  }
};

}  // namespace fauna::inline v0
