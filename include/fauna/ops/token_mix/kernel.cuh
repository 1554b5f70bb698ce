// Mixes of two rows as kernels, element by element. The maths is in op.hpp.
#pragma once
#include <fauna/backend/simt.cuh>
#include <fauna/ops/add/kernel.cuh>
#include <fauna/ops/token_mix/op.hpp>

namespace fauna::inline v0 {
namespace kernels {

/// The rows, and what they are mixed by.
struct MixedRows {
  Matrix<const float> x, before, mu, m;
  /// Of the other row, in the i-th mix.
  FAUNA_KERNEL float weight(int r, int i, int c) const { return mu(i, c) + (m ? m(r, i * x.cols() + c) : 0); }
};

struct TokenMix {
  MixedRows in;
  Matrix<float> y;
  FAUNA_KERNEL void operator()(int r, int c) const {
    const float x = in.x(r, c), step = in.before(r, c) - x;
    for (int i = 0; i < in.mu.rows(); ++i) y(r, i * in.x.cols() + c) = x + step * in.weight(r, i, c);
  }
};

/// dm may be dy: each thread reads its elements before it writes them.
struct TokenMixBackward {
  MixedRows in;
  Matrix<const float> dy;
  Matrix<float> dx, dbefore, dm;
  FAUNA_KERNEL void operator()(int r, int c) const {
    const float step = in.before(r, c) - in.x(r, c);
    float of_x = 0, of_before = 0;
    for (int i = 0; i < in.mu.rows(); ++i) {
      const float d = dy(r, i * in.x.cols() + c), weight = in.weight(r, i, c);
      of_x += d * (1 - weight);
      of_before += d * weight;
      if (dm) dm(r, i * in.x.cols() + c) = d * step;
    }
    dx(r, c) += of_x;
    dbefore(r, c) += of_before;
  }
};

/// What column_sums adds up for the i-th mix.
struct TokenMixTerm {
  MixedRows in;
  Matrix<const float> dy;
  int i;
  FAUNA_KERNEL float operator()(int r, int c) const {
    return dy(r, i * in.x.cols() + c) * (in.before(r, c) - in.x(r, c));
  }
};

}  // namespace kernels

template <Device B> struct token_mix<B> {
  using In = Matrix<const float>;

  static void forward(B const& b, In x, In before, In mu, In m, Matrix<float> y) {
    simt::each_element(b, x, kernels::TokenMix{{x, before, mu, m}, y});
  }
  static void backward(B const& b, In x, In before, In mu, In m, In dy, Matrix<float> dx, Matrix<float> dbefore,
                       Matrix<float> dmu, Matrix<float> dm) {
    const kernels::MixedRows in{x, before, mu, m};
    // The sums first: dm may be dy.
    for (int i = 0; dmu && i < mu.rows(); ++i)
      simt::column_sums(b, kernels::TokenMixTerm{in, dy, i}, x.rows(), x.cols(), dmu.row(i));
    simt::each_element(b, x, kernels::TokenMixBackward{in, dy, dx, dbefore, dm});
  }
};

}  // namespace fauna::inline v0
