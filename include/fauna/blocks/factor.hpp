// A factor of a low-rank product, as RWKV's checkpoints have it.
#pragma once
#include <fauna/blocks/linear.hpp>

namespace fauna::inline v0 {

/// Linear, of which checkpoints have the transpose, [In, Out], under the name Matrix, and the bias under the name Bias,
/// [1, 1, Out]. Neither decays.
template <label Matrix, label Bias, int In, int Out, bool HasBias, Init Start>
struct Factor : Linear<In, Out, HasBias, Start> {
  static constexpr label matrix = Matrix, bias = Bias;
  template <class W, class F> static constexpr void visit(W& w, Place const& at, F&& f) {
    Linear<In, Out, HasBias, Start>::visit(w, at, [&f](Tensor t, auto& v) {
      t.field = t.is_vector() ? bias.c : matrix.c;
      if (t.is_vector()) t.file = {1, 1, Out};
      else t.layout.transposed = true;
      t.decays = decay::no;
      f(t, v);
    });
  }
};
template <label M, label B, int In, int Out, bool H, Init I>
struct bare_<Factor<M, B, In, Out, H, I>> : bare_<Linear<In, Out, H, I>> {};

}  // namespace fauna::inline v0
