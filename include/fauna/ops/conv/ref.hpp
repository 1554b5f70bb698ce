#pragma once
#include <vector>

#include <fauna/ops/conv/op.hpp>

namespace fauna::inline v0 {

template <class S> struct causal_conv<Ref<S>> {
  static void forward(Ref<S> const&, Batch const& batch, Matrix<const S> x, Matrix<const S> taps, const S* bias,
                      Matrix<S> state, Matrix<S> y) {
    const int K = taps.rows(), C = x.cols();
    for (int q = 0; q < batch.sequences; ++q) {
      for (int r = batch.first(q); r < batch.last(q); ++r)
        for (int c = 0; c < C; ++c) {
          y(r, c) = bias ? bias[c] : S(0);
          for (int k = 0; k < K; ++k) {
            const S* from = row(batch.ancestor(q, r, k), K, q, x, state);
            if (from) y(r, c) += taps(K - 1 - k, c) * from[c];
          }
        }
      if (!state || batch.first(q) == batch.last(q)) continue;
      std::vector<S> left;
      for (int k = K - 2; k >= 0; --k) {
        const S* from = row(batch.ancestor(q, batch.last(q) - 1, k), K, q, x, state);
        for (int c = 0; c < C; ++c) left.push_back(from ? from[c] : S(0));
      }
      for (int i = 0; i < K - 1; ++i)
        for (int c = 0; c < C; ++c) state(q * (K - 1) + i, c) = left[static_cast<std::size_t>(i * C + c)];
    }
  }
  static void backward(Ref<S> const&, Batch const& batch, Matrix<const S> x, Matrix<const S> entering,
                       Matrix<const S> taps, Matrix<const S> dy, Matrix<S> dx, Matrix<S> dtaps, S* dbias,
                       Matrix<S> dstate) {
    const int K = taps.rows(), C = x.cols();
    for (int q = 0; q < batch.sequences; ++q) {
      if (batch.first(q) == batch.last(q)) continue;
      for (int c = 0; c < C; ++c) {
        std::vector<S> into(static_cast<std::size_t>(K - 1), S(0));  // the gradient of the entering state
        for (int r = batch.first(q); r < batch.last(q); ++r) dx(r, c) = S(0);
        const auto add = [&](int ancestor, S d) {
          if (ancestor >= 0) dx(ancestor, c) += d;
          else if (const int i = conv_state_row(K, ancestor); ancestor != Batch::nothing && i >= 0)
            into[static_cast<std::size_t>(i)] += d;
        };
        for (int k = 0; k < K - 1; ++k)
          if (dstate) add(batch.ancestor(q, batch.last(q) - 1, k), dstate(q * (K - 1) + K - 2 - k, c));
        for (int r = batch.first(q); r < batch.last(q); ++r) {
          if (dbias) dbias[c] += dy(r, c);
          for (int k = 0; k < K; ++k) {
            const int a = batch.ancestor(q, r, k);
            add(a, taps(K - 1 - k, c) * dy(r, c));
            const S* from = row(a, K, q, x, entering);
            if (dtaps && from) dtaps(K - 1 - k, c) += dy(r, c) * from[c];
          }
        }
        for (int i = 0; dstate && i < K - 1; ++i) dstate(q * (K - 1) + i, c) = into[static_cast<std::size_t>(i)];
      }
    }
  }

 private:
  /// The row that ancestor() answered; null for zeros.
  static const S* row(int ancestor, int taps, int sequence, Matrix<const S> x, Matrix<const S> state) {
    if (ancestor >= 0) return x.row(ancestor);
    const int i = conv_state_row(taps, ancestor);
    if (ancestor == Batch::nothing || !state || i < 0) return nullptr;
    return state.row(sequence * (taps - 1) + i);
  }
};

}  // namespace fauna::inline v0
