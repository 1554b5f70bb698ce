#pragma once
#include <fauna/backend/cpu.hpp>
#include <fauna/backend/philox.hpp>
#include <fauna/ops/dropout/op.hpp>

namespace fauna::inline v0 {

template <class P, isa T, unsigned Tag> struct dropout<Cpu<P, T, Tag>> {
  using B = Cpu<P, T, Tag>;
  static constexpr int W = B::lanes;
  using vec = simd::vfloat<W>;
  using ivec = simd::vint<W>;

  static void apply(B const& b, Key key, float p, Matrix<const float> x, Matrix<const float> base, Matrix<float> y) {
    // uniform < p as integers: uniform is (word >> 8) / 2^24, so it is below p where word >> 8 is below ⌈p 2^24⌉.
    const auto limit = static_cast<std::int32_t>(std::ceil(static_cast<double>(p) * 0x1p24));
    const float scale = dropout_scale(p);
    const int cols = x.cols();
    parallel_for(b.threads, x.rows(), 1 + 2048 / (cols + 1), [&](int from, int to) {
      for (int r = from; r < to; ++r) {
        const auto row = static_cast<std::uint64_t>(r) * static_cast<std::uint64_t>(cols);
        for (int first = 0; first < cols; first += span) {
          const int n = cols - first < span ? cols - first : span;
          alignas(64) std::int32_t draws[span + 4 * W + 4 + W];
          const std::uint64_t at = row + static_cast<std::uint64_t>(first);
          const int lead = static_cast<int>(at & 3U);  // words of the first block that belong to earlier positions
          for (int i = 0; i < lead + n; i += 4 * W)
            simd::philox_words<W>(reinterpret_cast<std::uint32_t*>(draws) + i, key,
                                  at / 4 + static_cast<std::uint64_t>(i / 4));
          const float *in = x.row(r) + first, *before = base ? base.row(r) + first : nullptr;
          const std::int32_t* draw_of = draws + lead;
          float* out = y.row(r) + first;
          simd::for_lanes<W>(n, [=](int c, int left) FAUNA_LANES {
            vec v, t;
            simd::get<W>(v, in + c, left);
            ivec draw;
            std::memcpy(&draw, draw_of + c, sizeof draw);
            draw = (ivec)((simd::vuint<W>)draw >> 8);
            v = draw < limit ? vec{} : v * scale;
            if (before) {
              simd::get<W>(t, before + c, left);
              v += t;
            }
            simd::put<W>(out + c, v, left);
          });
        }
      }
    });
  }

 private:
  static constexpr int span = 512;  // columns whose draws are held at once
};

}  // namespace fauna::inline v0
