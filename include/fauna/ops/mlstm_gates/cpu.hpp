#pragma once
#include <fauna/backend/cpu.hpp>
#include <fauna/ops/mlstm_gates/loop.hpp>

namespace fauna::inline v0 {

/// Threads own heads of sequences. A row has one number for each, so there is nothing for lanes.
template <class P, isa T, unsigned Tag> struct mlstm_gates<Cpu<P, T, Tag>> {
  using B = Cpu<P, T, Tag>;
  using Rows = MlstmGateRows<const typename B::scalar>;

  static void forward(B const& b, Batch const& batch, double cap, Rows const& in, Matrix<float> state,
                      MlstmGateSums<float> const& out) {
    over_heads(b, batch, in, [&](int q, int h) { mlstm_detail::forward(batch, q, h, cap, in, state, out); });
  }
  static void backward(B const& b, Batch const& batch, double cap, Rows const& in, Matrix<const float> entering,
                       MlstmGateSums<const float> const& dout, MlstmGateRows<float> const& d, Matrix<float> dstate) {
    over_heads(b, batch, in,
               [&](int q, int h) { mlstm_detail::backward(batch, q, h, cap, in, entering, dout, d, dstate); });
  }

 private:
  template <class F> static void over_heads(B const& b, Batch const& batch, Rows const& in, F&& f) {
    const int heads = in.i.cols(), grain = 1 + 1024 / (batch.rows / batch.sequences + 1);
    parallel_for(b.threads, batch.sequences * heads, grain, [&](int from, int to) {
      for (int i = from; i < to; ++i) f(i / heads, i % heads);
    });
  }
};

}  // namespace fauna::inline v0
