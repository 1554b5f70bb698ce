// Combines: where the weights of a mixture of experts stand (ops/experts/op.hpp).
//   WeightedOutputs   y_r = Σ_j w_rj f_{id_rj}(x_r)      (Shazeer et al. 2017, equation 1)
//   WeightedInputs    y_r = Σ_j f_{id_rj}(w_rj x_r)      another function: experts are not linear (Meta AI 2025, "Llama
//   4")
#pragma once
#include <fauna/core/block.hpp>
#include <fauna/ops/experts/op.hpp>

namespace fauna::inline v0 {

/// What a combine reads of a dispatch: where each choice went, and whose each row is.
template <class S> struct Dispatched {
  Matrix<const int> places;
  const int* sources;
  Matrix<const S> weights;
};

/// enter: xs [n,W] from x [R,W]; leave: y = base + what experts gave, ys [n,W]. Their gradients add to base and
/// overwrite dweights [R,K], each where it has any to give.
struct WeightedOutputs {
  template <class B, class S> static void enter(B const& b, Matrix<const S> x, Dispatched<S> const& to, Matrix<S> xs) {
    expert_rows<B>::gather(b, x, to.sources, xs);
  }
  template <class B, class S>
  static void leave(B const& b, Matrix<const S> ys, Dispatched<S> const& to, Matrix<const S> base, Matrix<S> y) {
    expert_rows<B>::combine(b, ys, to.places, to.weights, base, y);
  }
  template <class B, class S>
  static void leave_backward(B const& b, Matrix<const S> dy, Matrix<const S> ys, Dispatched<S> const& to, Matrix<S> dys,
                             Matrix<S> dweights) {
    expert_rows<B>::combine_backward(b, dy, ys, to.places, to.weights, dys, dweights);
  }
  template <class B, class S>
  static void enter_backward(B const& b, Matrix<const S>, Matrix<const S> dxs, Dispatched<S> const& to,
                             Matrix<const S> base, Matrix<S> dx, Matrix<S>) {
    expert_rows<B>::gather_backward(b, dxs, to.places, base, dx);
  }
};

struct WeightedInputs {
  template <class B, class S> static void enter(B const& b, Matrix<const S> x, Dispatched<S> const& to, Matrix<S> xs) {
    expert_rows<B>::scatter(b, x, to.places, to.weights, xs);
  }
  template <class B, class S>
  static void leave(B const& b, Matrix<const S> ys, Dispatched<S> const& to, Matrix<const S> base, Matrix<S> y) {
    expert_rows<B>::gather_backward(b, ys, to.places, base, y);
  }
  template <class B, class S>
  static void leave_backward(B const& b, Matrix<const S> dy, Matrix<const S>, Dispatched<S> const& to, Matrix<S> dys,
                             Matrix<S>) {
    expert_rows<B>::scatter(b, dy, to.places, {}, dys);
  }
  template <class B, class S>
  static void enter_backward(B const& b, Matrix<const S> x, Matrix<const S> dxs, Dispatched<S> const& to,
                             Matrix<const S> base, Matrix<S> dx, Matrix<S> dweights) {
    expert_rows<B>::combine(b, dxs, to.places, to.weights, base, dx);
    expert_rows<B>::dots(b, x, dxs, to.places, dweights);
  }
};

}  // namespace fauna::inline v0
