#pragma once
#include <fauna/backend/simt.cuh>
#include <fauna/ops/dropout/op.hpp>

namespace fauna::inline v0 {
namespace kernels {

/// A thread has the four elements that share a block of random words: positions 4i to 4i + 3.
struct Dropout {
  static constexpr int threads = 256;
  using Shared = None;
  Key key;
  float p;
  Matrix<const float> x, base;
  Matrix<float> y;
  template <class T> FAUNA_KERNEL void operator()(T const& t, Shared&) const {
    const std::uint64_t cols = static_cast<std::uint64_t>(x.cols()), size = cols * static_cast<std::uint64_t>(x.rows());
    const std::uint64_t i = static_cast<std::uint64_t>(t.block()) * threads + static_cast<std::uint64_t>(t.index());
    const Philox words = key.words(i);
    const float scale = dropout_scale(p);
    for (std::uint64_t at = 4 * i; at < 4 * i + 4 && at < size; ++at) {
      const int r = static_cast<int>(at / cols), c = static_cast<int>(at % cols);
      const float kept = Key::uniform_of(words[at & 3U]) < p ? 0 : x(r, c) * scale;
      y(r, c) = base ? base(r, c) + kept : kept;
    }
  }
};

}  // namespace kernels

template <Device B> struct dropout<B> {
  static void apply(B const& b, Key key, float p, Matrix<const float> x, Matrix<const float> base, Matrix<float> y) {
    b.launch(kernels::Dropout{key, p, x, base, y},
             simt::parts(static_cast<long long>(x.size()), 4 * kernels::Dropout::threads));
  }
};

}  // namespace fauna::inline v0
