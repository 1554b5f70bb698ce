// A head of a sequence, in any scalar: numbers by the row, whose exponentials wait for each other.
#pragma once
#include <cmath>
#include <vector>

#include <fauna/ops/mlstm_gates/op.hpp>

namespace fauna::inline v0::mlstm_detail {

template <class S> S capped(S x, double cap) {
  using std::tanh;
  return cap > 0 ? S(static_cast<S>(cap)) * tanh(x / static_cast<S>(cap)) : x;
}
template <class S> S cap_slope(S y, double cap) {
  const S share = cap > 0 ? y / static_cast<S>(cap) : S(0);
  return S(1) - share * share;
}
template <class S> S log_sigmoid(S x) {
  using std::exp, std::log;
  return x < S(-20) ? x : -log(S(1) + exp(-x));
}

/// m before and after each row of a sequence, and both logarithms.
template <class S> struct Head {
  struct Row {
    S i, f, log_f, before, m;
  };
  std::vector<Row> rows;
  int first;

  Head(Batch const& batch, int q, int h, double cap, MlstmGateRows<const S> const& in, Matrix<const S> entering)
      : first(batch.first(q)) {
    for (int t = first; t < batch.last(q); ++t) {
      const int p = batch.continues(q, t);
      const S i = capped(in.i(t, h), cap), f = capped(in.f(t, h), cap), log_f = log_sigmoid(f);
      const S before = p >= 0 ? at(p).m : p == Batch::the_state && entering ? entering(q, h) : S(0);
      rows.push_back({i, f, log_f, before, log_f + before > i ? log_f + before : i});
    }
  }
  Row const& at(int t) const { return rows[static_cast<std::size_t>(t - first)]; }
};

template <class S>
void forward(Batch const& batch, int q, int h, double cap, MlstmGateRows<const S> const& in, Matrix<S> state,
             MlstmGateSums<S> const& out) {
  using std::exp;
  if (batch.first(q) == batch.last(q)) return;
  const Head<S> head(batch, q, h, cap, in, state);
  for (int t = batch.first(q); t < batch.last(q); ++t) {
    auto const& r = head.at(t);
    out.fade(t, h) = exp(r.log_f + r.before - r.m);
    out.beta(t, h) = exp(r.i - r.m);
    out.least(t, h) = exp(-r.m);
  }
  if (state) state(q, h) = head.rows.back().m;
}

template <class S>
void backward(Batch const& batch, int q, int h, double cap, MlstmGateRows<const S> const& in, Matrix<const S> entering,
              MlstmGateSums<const S> const& dout, MlstmGateRows<S> const& d, Matrix<S> dstate) {
  using std::exp;
  const int first = batch.first(q), last = batch.last(q);
  if (first == last) return;
  const Head<S> head(batch, q, h, cap, in, entering);
  std::vector<S> M(head.rows.size(), S(0));
  S into(0);  // the gradient of the entering state
  if (dstate) M.back() = dstate(q, h);
  for (int t = last - 1; t >= first; --t) {
    auto const& r = head.at(t);
    const S of_fade = dout.fade(t, h) * exp(r.log_f + r.before - r.m), of_beta = dout.beta(t, h) * exp(r.i - r.m);
    const S of_m = M[static_cast<std::size_t>(t - first)] - of_fade - of_beta - dout.least(t, h) * exp(-r.m);
    const bool faded = r.log_f + r.before > r.i;
    const S dl = faded ? of_fade + of_m : of_fade, di = faded ? of_beta : of_beta + of_m;
    d.f(t, h) = dl / (S(1) + exp(r.f)) * cap_slope(r.f, cap);
    d.i(t, h) = di * cap_slope(r.i, cap);
    const int p = batch.continues(q, t);
    if (p >= 0) M[static_cast<std::size_t>(p - first)] += dl;
    else if (p == Batch::the_state) into += dl;
  }
  if (dstate) dstate(q, h) = into;
}

}  // namespace fauna::inline v0::mlstm_detail
