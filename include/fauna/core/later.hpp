// Products that a backward pass puts off. What others wait for are the gradients of inputs; those of weights can be
// had whenever there is time (Qi et al. 2023, "Zero bubble pipeline parallelism", section 2: B and W).
#pragma once
#include <vector>

#include <fauna/core/view.hpp>

namespace fauna::inline v0 {

/// dW += dyᵀ x of several layers, with copies of dy and x, so that activations need not outlive the backward pass.
template <class S> class LaterProducts {
 public:
  /// gradient [out, in], which stays where it is; dy [rows, out], x [rows, in].
  void add(Matrix<S> gradient, Matrix<const S> dy, Matrix<const S> x) {
    if (used_ == products_.size()) products_.emplace_back();
    Product& p = products_[used_++];
    p.gradient = gradient;
    p.rows = dy.rows();
    copy(dy, p.dy);
    copy(x, p.x);
  }
  /// f(gradient, dy, x) for each product in the order in which they came, and forgets them. Their memory is kept.
  template <class F> void run(F&& f) {
    for (std::size_t i = 0; i < used_; ++i) {
      Product const& p = products_[i];
      f(p.gradient, Matrix<const S>(p.dy.data(), p.rows, p.gradient.rows()),
        Matrix<const S>(p.x.data(), p.rows, p.gradient.cols()));
    }
    used_ = 0;
  }

 private:
  struct Product {
    Matrix<S> gradient;
    int rows = 0;
    std::vector<S> dy, x;
  };
  static void copy(Matrix<const S> from, std::vector<S>& to) {
    to.resize(from.size());
    for (int r = 0; r < from.rows(); ++r)
      for (int k = 0; k < from.cols(); ++k)
        to[static_cast<std::size_t>(r) * static_cast<std::size_t>(from.cols()) + static_cast<std::size_t>(k)] =
            from(r, k);
  }

  std::vector<Product> products_;
  std::size_t used_ = 0;
};

}  // namespace fauna::inline v0
