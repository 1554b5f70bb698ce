#pragma once
#include <cmath>

#include <fauna/ops/gemm/ref.hpp>
#include <fauna/ops/router/op.hpp>

namespace fauna::inline v0 {

template <class S> struct router<Ref<S>> {
  using Gemm = gemm<Ref<S>>;
  static constexpr std::size_t workspace(int, int, int, int) { return 0; }
  static void scores(Ref<S> const& b, Matrix<const S> x, Matrix<const S> gate, Matrix<S> logits) {
    Gemm::nt(b, x, gate, logits);
  }
  static void scores_backward(Ref<S> const& b, Matrix<const S> x, Matrix<const S> gate, Matrix<const S> dlogits,
                              Matrix<S> dgate, Matrix<S> dx) {
    if (dgate) Gemm::tn(b, dlogits, x, dgate, {.base = dgate.data(), .base_stride = dgate.stride()});
    Gemm::nn(b, dlogits, gate, dx, {.base = dx.data(), .base_stride = dx.stride()});
  }

  static void forward(Ref<S> const&, Matrix<const S> logits, bool renormalised, Matrix<S> p, Matrix<int> ids,
                      Matrix<S> weights) {
    for (int r = 0; r < logits.rows(); ++r)
      row(logits.row(r), logits.cols(), renormalised, p.row(r), ids.row(r), weights.row(r), ids.cols());
  }
  static void backward(Ref<S> const&, Matrix<const S> p, bool renormalised, Matrix<const int> ids,
                       Matrix<const S> weights, Matrix<const S> dweights, Matrix<const S> dp, Matrix<S> dlogits) {
    for (int r = 0; r < p.rows(); ++r)
      row_backward(p.row(r), p.cols(), renormalised, ids.row(r), weights.row(r), dweights.row(r), ids.cols(),
                   dp ? dp.row(r) : nullptr, dlogits.row(r));
  }

  static void row(const S* l, int E, bool renormalised, S* p, int* ids, S* w, int K) {
    using std::exp;
    S most = l[0], sum(0), chosen(0);
    for (int e = 1; e < E; ++e) most = l[e] > most ? l[e] : most;
    for (int e = 0; e < E; ++e) sum += p[e] = exp(l[e] - most);
    for (int e = 0; e < E; ++e) p[e] = p[e] / sum;
    for (int j = 0; j < K; ++j) {
      int best = -1;
      for (int e = 0; e < E; ++e) {
        bool taken = false;
        for (int i = 0; i < j; ++i) taken = taken || ids[i] == e;
        if (!taken && (best < 0 || p[e] > p[best])) best = e;
      }
      ids[j] = best;
      w[j] = p[best];
      chosen += w[j];
    }
    if (renormalised)
      for (int j = 0; j < K; ++j) w[j] = w[j] / chosen;
  }
  static void row_backward(const S* p, int E, bool renormalised, const int* ids, const S* w, const S* dw, int K,
                           const S* dp, S* dl) {
    S dot(0), chosen(0), all(0);
    for (int j = 0; j < K; ++j) {
      dot += dw[j] * w[j];
      chosen += p[ids[j]];
    }
    for (int e = 0; e < E; ++e) dl[e] = dp ? dp[e] : S(0);
    for (int j = 0; j < K; ++j) dl[ids[j]] += renormalised ? (dw[j] - dot) / chosen : dw[j];
    for (int e = 0; e < E; ++e) all += p[e] * dl[e];
    for (int e = 0; e < E; ++e) dl[e] = p[e] * (dl[e] - all);
  }
};

}  // namespace fauna::inline v0
