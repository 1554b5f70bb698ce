// Products that a backward pass puts off. What others wait for are the gradients of inputs; those of weights can be
// had whenever there is time (Qi et al. 2023, "Zero bubble pipeline parallelism", section 2: B and W).
#pragma once
#include <cstddef>
#include <vector>

#include <fauna/core/view.hpp>

namespace fauna::inline v0 {

/// dW += dyᵀ x of several layers, with copies of dy and x, so that activations need not outlive the backward pass. The
/// host makes the copies, so that only backends whose tensors lie in its memory put products off.
template <class S> class LaterProducts {
 public:
  /// gradient [out, in], which stays where it is; dy [rows, out], x [rows, in].
  void add(Matrix<S> gradient, Matrix<const S> dy, Matrix<const S> x) {
    products_.push_back({gradient, dy.rows(), used_});
    copy(dy);
    copy(x);
  }
  /// f(gradient, dy, x) for each product in the order in which they came, and forgets them. Their memory is kept: how
  /// many rows a layer has may differ from batch to batch (an expert's do), and how many all of them have does not.
  template <class F> void run(F&& f) {
    for (Product const& p : products_) {
      const S* const dy = factors_.data() + p.at;
      const Matrix<const S> left(dy, p.rows, p.gradient.rows());
      f(p.gradient, left, Matrix<const S>(dy + left.size(), p.rows, p.gradient.cols()));
    }
    products_.clear();
    used_ = 0;
  }

 private:
  struct Product {
    Matrix<S> gradient;
    int rows = 0;
    std::size_t at = 0;  ///< of dy among the factors; x comes next
  };
  void copy(Matrix<const S> from) {
    const std::size_t end = used_ + from.size();
    if (factors_.size() < end) factors_.resize(end);
    for (int r = 0; r < from.rows(); ++r)
      for (int k = 0; k < from.cols(); ++k) factors_[used_++] = from(r, k);
  }

  std::vector<Product> products_;
  std::vector<S> factors_;
  std::size_t used_ = 0;
};

}  // namespace fauna::inline v0
