// mLSTM's gates as kernels: a thread for each head of a sequence. The maths is in op.hpp.
#pragma once
#include <cmath>

#include <fauna/backend/simt.cuh>
#include <fauna/ops/mlstm_gates/op.hpp>

namespace fauna::inline v0 {
namespace kernels {

/// What comes in, and m after every row.
struct MlstmPast {
  Batch batch;
  float cap;
  MlstmGateRows<const float> in;
  Matrix<const float> entering;
  Matrix<float> m;

  FAUNA_KERNEL float capped(float x) const { return cap > 0 ? cap * std::tanh(x / cap) : x; }
  FAUNA_KERNEL float slope(float capped) const { return cap > 0 ? 1 - capped / cap * (capped / cap) : 1; }
  /// A row's logarithms: of the input gate, of the forget gate, and that of what was before, faded.
  struct Row {
    float i, f, faded, m;
  };
  FAUNA_KERNEL Row row(int q, int t, int h) const {
    const int p = batch.continues(q, t);
    const float i = capped(in.i(t, h)), f = capped(in.f(t, h));
    const float before = p >= 0 ? m(p, h) : p == Batch::the_state && entering ? entering(q, h) : 0;
    const float faded = before - simt::softplus(-f);  // log σ(f) = -softplus(-f)
    return {i, f, faded, faded > i ? faded : i};
  }
};

struct MlstmGates {
  MlstmPast past;
  Matrix<float> state;
  MlstmGateSums<float> out;
  FAUNA_KERNEL void operator()(int q, int h) const {
    const int first = past.batch.first(q), last = past.batch.last(q);
    for (int t = first; t < last; ++t) {
      const MlstmPast::Row r = past.row(q, t, h);
      past.m(t, h) = r.m;
      out.fade(t, h) = std::exp(r.faded - r.m);
      out.beta(t, h) = std::exp(r.i - r.m);
      out.least(t, h) = std::exp(-r.m);
    }
    if (state && last > first) state(q, h) = past.m(last - 1, h);
  }
};

struct MlstmGatesBackward {
  MlstmPast past;
  MlstmGateSums<const float> dout;
  MlstmGateRows<float> d;
  Matrix<float> dstate, of_m;  ///< of_m: the gradients of m after every row
  FAUNA_KERNEL void operator()(int q, int h) const {
    Batch const& batch = past.batch;
    const int first = batch.first(q), last = batch.last(q);
    if (first == last) return;
    for (int t = first; t < last; ++t) {
      past.m(t, h) = past.row(q, t, h).m;
      of_m(t, h) = 0;
    }
    if (dstate) of_m(last - 1, h) = dstate(q, h);
    float into = 0;  // the gradient of the entering state
    for (int t = last - 1; t >= first; --t) {
      const MlstmPast::Row r = past.row(q, t, h);
      const float of_fade = dout.fade(t, h) * std::exp(r.faded - r.m), of_beta = dout.beta(t, h) * std::exp(r.i - r.m),
                  M = of_m(t, h) - of_fade - of_beta - dout.least(t, h) * std::exp(-r.m);
      const bool is_faded = r.faded > r.i;
      const float dl = of_fade + (is_faded ? M : 0), di = of_beta + (is_faded ? 0 : M);
      d.f(t, h) = dl * simt::sigmoid(-r.f) * past.slope(r.f);
      d.i(t, h) = di * past.slope(r.i);
      const int p = batch.continues(q, t);
      if (p >= 0) of_m(p, h) += dl;
      else if (p == Batch::the_state) into += dl;
    }
    if (dstate) dstate(q, h) = into;
  }
};

}  // namespace kernels

template <Device B> struct mlstm_gates<B> {
  static void forward(B const& b, Batch const& batch, double cap, MlstmGateRows<const float> const& in,
                      Matrix<float> state, MlstmGateSums<float> const& out) {
    const simt::BatchOnDevice<B> rows(b, batch);
    const int H = in.i.cols();
    const simt::TemporaryMatrix<B> m(b, batch.rows, H);
    const kernels::MlstmPast past{rows.get(), static_cast<float>(cap), in, state, m};
    simt::each_element(b, batch.sequences, H, kernels::MlstmGates{past, state, out});
  }
  static void backward(B const& b, Batch const& batch, double cap, MlstmGateRows<const float> const& in,
                       Matrix<const float> entering, MlstmGateSums<const float> const& dout,
                       MlstmGateRows<float> const& d, Matrix<float> dstate) {
    const simt::BatchOnDevice<B> rows(b, batch);
    const int H = in.i.cols();
    const simt::TemporaryMatrix<B> m(b, batch.rows, H), of_m(b, batch.rows, H);
    const kernels::MlstmPast past{rows.get(), static_cast<float>(cap), in, entering, m};
    simt::each_element(b, batch.sequences, H, kernels::MlstmGatesBackward{past, dout, d, dstate, of_m});
  }
};

}  // namespace fauna::inline v0
