// The recurrence of linear attention's kin as kernels, for itself and for the ops that are one of them. States are in
// the device's memory while a kernel walks: temporary, as the trees' are on other backends.
#pragma once
#include <fauna/ops/add/kernel.cuh>
#include <fauna/ops/recurrence/backward.cuh>

namespace fauna::inline v0 {
namespace simt {

template <RecurrenceWalk W, Device B>
void recur(B const& b, Batch const& batch, RecurrenceShape const& n, RecurrenceRows<const float> const& in,
           Matrix<float> state, Matrix<float> y, Matrix<float> kept) {
  const BatchOnDevice<B> rows(b, batch);
  const kernels::RecurrenceColumns<W> all{rows.get(), n, in};
  const int C = recurrence_columns(W.of, n.values), slots = batch.sequences + (batch.parent ? batch.rows : 0);
  const TemporaryMatrix<B> states(b, slots * n.heads * n.keys, C), sums(b, W.of.normalised ? batch.rows : 0, n.heads);
  each_element(b, batch.sequences, n.heads * C, kernels::RecurrenceForward<W>{all, states, state, y, kept, sums});
  if constexpr (W.of.normalised) each_element(b, y, kernels::RecurrenceDivide{sums, in.least, y});
}

template <RecurrenceWalk W, Device B>
void recur_back(B const& b, Batch const& batch, RecurrenceShape const& n, RecurrenceRows<const float> const& in,
                Matrix<const float> kept, Matrix<const float> dy, RecurrenceRows<float> d, Matrix<float> dstate) {
  const BatchOnDevice<B> rows(b, batch);
  const kernels::RecurrenceColumns<W> all{rows.get(), n, in};
  const int R = batch.rows, C = recurrence_columns(W.of, n.values), sharing = n.heads / n.key_heads;
  const int slots = batch.parent ? R : batch.sequences * W.chunk, all_slots = (slots + batch.sequences) * n.heads;
  const TemporaryMatrix<B> states(b, all_slots * n.keys, C), gradients(b, all_slots * n.keys, C),
      parts(b, slots * n.heads, kernels::RecurrenceBackward<W>::count * C),
      divisors(b, W.of.normalised ? R : 0, n.heads), of_n(b, W.of.normalised ? R : 0, n.heads),
      dq(b, sharing > 1 ? R : 0, n.heads * n.keys), dk(b, sharing > 1 ? R : 0, n.heads * n.keys);
  RecurrenceRows<float> of_heads = d;
  if (sharing > 1) {
    of_heads.q = dq;
    of_heads.k = dk;
    add<B>::clear(b, dq);
    add<B>::clear(b, dk);
  }
  b.launch(
      kernels::RecurrenceBackward<W>{all, kept, dy, of_heads, dstate, states, gradients, parts, divisors, of_n, slots},
      batch.sequences * n.heads);
  if (sharing == 1) return;
  each_element(b, d.q, kernels::RecurrenceSharing{dq, d.q, n.keys, sharing});
  each_element(b, d.k, kernels::RecurrenceSharing{dk, d.k, n.keys, sharing});
}

}  // namespace simt

template <Recurrence R, Device B> struct recurrence<R, B> {
  static constexpr RecurrenceWalk walk{.of = R};
  using Rows = RecurrenceRows<const float>;
  static constexpr std::size_t workspace(RecurrenceShape const&, int) { return 0; }

  static void forward(B const& b, Batch const& batch, RecurrenceShape const& n, Rows const& in, Matrix<float> state,
                      Matrix<float> y, Matrix<float> kept) {
    with_fixed(b, n, [&](RecurrenceShape const& there) { simt::recur<walk>(b, batch, there, in, state, y, kept); });
  }
  static void backward(B const& b, Batch const& batch, RecurrenceShape const& n, Rows const& in,
                       Matrix<const float> kept, Matrix<const float> dy, RecurrenceRows<float> const& d,
                       Matrix<float> dstate) {
    with_fixed(b, n,
               [&](RecurrenceShape const& there) { simt::recur_back<walk>(b, batch, there, in, kept, dy, d, dstate); });
  }

 private:
  /// f(the shape, with fixed numbers where kernels can read them).
  template <class F> static void with_fixed(B const& b, RecurrenceShape n, F&& f) {
    const auto fixed = b.upload(n.fixed, n.fixed ? n.heads : 0);
    n.fixed = fixed.data();
    f(n);
  }
};

}  // namespace fauna::inline v0
