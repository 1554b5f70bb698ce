#pragma once
#include <cmath>

#include <fauna/backend/cpu.hpp>
#include <fauna/backend/simd.hpp>
#include <fauna/ops/adamw/pieces.hpp>
#include <fauna/ops/clip/op.hpp>

namespace fauna::inline v0 {

template <class P, isa T, unsigned Tag> struct clip<Cpu<P, T, Tag>> {
  using B = Cpu<P, T, Tag>;
  static constexpr int W = B::lanes;
  using vec = simd::vfloat<W>;

  static constexpr std::size_t workspace(const Segment<float>* segments, int n) {
    return aligned(piece_count(segments, n) * sizeof(double));
  }

  static double global_norm(B const& b, const Segment<float>* segments, int n, gradient_state* states = nullptr) {
    Scope scope(*b.scratch);
    double* sums = b.scratch->template take<double>(piece_count(segments, n));
    parallel_pieces(b.threads, segments, n, [&](int i, std::size_t piece, std::size_t first, std::size_t count) {
      sums[piece] = sum_of_squares(segments[i].gradient + first, static_cast<int>(count));
    });
    double total = 0;
    std::size_t piece = 0;
    for (int i = 0; i < n; ++i) {
      double sum = 0;
      for (const std::size_t end = piece + piece_count(segments + i, 1); piece < end; ++piece) sum += sums[piece];
      total += sum;
      if (states) states[i] = state_of(segments[i], sum);
    }
    return std::sqrt(total);
  }

 private:
  static double sum_of_squares(const float* g, int count) {
    vec s[4]{};
    int k = 0;
    for (; k + 4 * W <= count; k += 4 * W)
      for (int j = 0; j < 4; ++j) {
        vec v;
        simd::load<W>(v, g + k + j * W);
        s[j] += v * v;
      }
    float sum = simd::sum<W>((s[0] + s[1]) + (s[2] + s[3]));
    for (; k < count; ++k) sum += g[k] * g[k];
    if (sum > 1e-30F && sum < 1e30F) return static_cast<double>(sum);
    // Squares that underflow or overflow a float do neither in double: only zeros sum to zero, and only infinities and
    // NaN to something that is not finite.
    double exact = 0;
    for (k = 0; k < count; ++k) exact += static_cast<double>(g[k]) * static_cast<double>(g[k]);
    return exact;
  }
};

}  // namespace fauna::inline v0
