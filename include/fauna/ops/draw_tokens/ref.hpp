#pragma once
#include <fauna/ops/draw_tokens/op.hpp>

namespace fauna::inline v0 {

template <class S> struct draw_tokens<Ref<S>> {
  static void forward(Ref<S> const&, Matrix<const S> logits, float temperature, const Key* keys, int* ids) {
    for (int r = 0; r < logits.rows(); ++r)
      ids[r] = draw_tokens_detail::row(logits.row(r), logits.cols(), temperature, keys[r]);
    draw_tokens_detail::check(ids, logits.rows());
  }
};

}  // namespace fauna::inline v0
