#pragma once
#include <fauna/ops/mlstm_gates/loop.hpp>

namespace fauna::inline v0 {

template <class S> struct mlstm_gates<Ref<S>> {
  static void forward(Ref<S> const&, Batch const& batch, double cap, MlstmGateRows<const S> const& in, Matrix<S> state,
                      MlstmGateSums<S> const& out) {
    for (int q = 0; q < batch.sequences; ++q)
      for (int h = 0; h < in.i.cols(); ++h) mlstm_detail::forward(batch, q, h, cap, in, state, out);
  }
  static void backward(Ref<S> const&, Batch const& batch, double cap, MlstmGateRows<const S> const& in,
                       Matrix<const S> entering, MlstmGateSums<const S> const& dout, MlstmGateRows<S> const& d,
                       Matrix<S> dstate) {
    for (int q = 0; q < batch.sequences; ++q)
      for (int h = 0; h < in.i.cols(); ++h) mlstm_detail::backward(batch, q, h, cap, in, entering, dout, d, dstate);
  }
};

}  // namespace fauna::inline v0
