#pragma once
#include <cmath>
#include <cstdint>

#include <fauna/ops/gemm/ref.hpp>
#include <fauna/ops/router/op.hpp>

namespace fauna::inline v0 {

template <class S> struct router<Ref<S>> {
  using Gemm = gemm<Ref<S>>;
  static constexpr std::size_t workspace(int, int, int, int) { return 0; }
  static void scores(Ref<S> const& b, Matrix<const S> x, Matrix<const S> gate, Matrix<S> logits,
                     const S* offset = nullptr) {
    Gemm::nt(b, x, gate, logits, {.bias = offset});
  }
  static void scores_backward(Ref<S> const& b, Matrix<const S> x, Matrix<const S> gate, Matrix<const S> dlogits,
                              Matrix<S> dgate, Matrix<S> dx) {
    if (dgate) Gemm::tn(b, dlogits, x, dgate, {.base = dgate.data(), .base_stride = dgate.stride()});
    Gemm::nn(b, dlogits, gate, dx, {.base = dx.data(), .base_stride = dx.stride()});
  }

  static void forward(Ref<S> const&, Matrix<const S> logits, Choice const& how, const S* bias, Matrix<S> p,
                      Matrix<int> ids, Matrix<S> weights) {
    for (int r = 0; r < logits.rows(); ++r)
      row(logits.row(r), logits.cols(), how, bias, nullptr, p.row(r), ids.row(r), weights.row(r), ids.cols());
  }
  static void forward(Ref<S> const&, Matrix<const S> logits, Choice const& how, Matrix<const S> judged, Matrix<S> p,
                      Matrix<int> ids, Matrix<S> weights) {
    for (int r = 0; r < logits.rows(); ++r)
      row(logits.row(r), logits.cols(), how, nullptr, judged.row(r), p.row(r), ids.row(r), weights.row(r), ids.cols());
  }
  static void backward(Ref<S> const&, Matrix<const S> p, Choice const& how, Matrix<const int> ids,
                       Matrix<const S> weights, Matrix<const S> dweights, Matrix<const S> dp, Matrix<S> dlogits) {
    for (int r = 0; r < p.rows(); ++r)
      row_backward(p.row(r), p.cols(), how, ids.row(r), weights.row(r), dweights.row(r), ids.cols(),
                   dp ? dp.row(r) : nullptr, dlogits.row(r));
  }

  /// bias, judged: [E] or null.
  static void row(const S* l, int E, Choice const& how, const S* bias, const S* judged, S* p, int* ids, S* w, int K) {
    score(l, E, how.scores, p);
    const auto value = [&](int e) { return judged ? judged[e] : bias ? p[e] + bias[e] : p[e]; };
    const int size = E / how.groups;
    const std::uint64_t kept = kept_groups(how, size, value);
    S chosen(0);
    for (int j = 0; j < K; ++j) {
      int best = -1;
      for (int e = 0; e < E; ++e) {
        bool taken = (kept >> (e / size) & 1U) == 0;
        for (int i = 0; i < j; ++i) taken = taken || ids[i] == e;
        if (!taken && (best < 0 || value(e) > value(best))) best = e;
      }
      ids[j] = best;
      w[j] = p[best];
      chosen += w[j];
    }
    const S scale = static_cast<S>(how.scale);
    for (int j = 0; j < K; ++j) w[j] = how.renormalised ? scale * (w[j] / chosen) : scale * w[j];
  }
  static void row_backward(const S* p, int E, Choice const& how, const int* ids, const S* w, const S* dw, int K,
                           const S* dp, S* dl) {
    const S scale = static_cast<S>(how.scale);
    S dot(0), chosen(0), all(0);
    for (int j = 0; j < K; ++j) {
      dot += dw[j] * w[j];
      chosen += p[ids[j]];
    }
    for (int e = 0; e < E; ++e) dl[e] = dp ? dp[e] : S(0);
    for (int j = 0; j < K; ++j) dl[ids[j]] += how.renormalised ? (scale * dw[j] - dot) / chosen : scale * dw[j];
    if (how.scores == router_scores::sigmoid) {
      for (int e = 0; e < E; ++e) dl[e] = p[e] * (S(1) - p[e]) * dl[e];
      return;
    }
    for (int e = 0; e < E; ++e) all += p[e] * dl[e];
    for (int e = 0; e < E; ++e) dl[e] = p[e] * (dl[e] - all);
  }

 private:
  static void score(const S* l, int E, router_scores form, S* p) {
    using std::exp;
    if (form == router_scores::sigmoid) {
      for (int e = 0; e < E; ++e) p[e] = S(1) / (S(1) + exp(-l[e]));
      return;
    }
    S most = l[0], sum(0);
    for (int e = 1; e < E; ++e) most = l[e] > most ? l[e] : most;
    for (int e = 0; e < E; ++e) sum += p[e] = exp(l[e] - most);
    for (int e = 0; e < E; ++e) p[e] = p[e] / sum;
  }
  /// A bit for each group whose experts can be chosen.
  template <class V> static std::uint64_t kept_groups(Choice const& how, int size, V&& value) {
    if (how.kept_groups >= how.groups) return ~std::uint64_t{0};
    std::uint64_t kept = 0;
    for (int n = 0; n < how.kept_groups; ++n) {
      int best = -1;
      S most(0);
      for (int g = 0; g < how.groups; ++g) {
        if (kept >> g & 1U) continue;
        S first = value(g * size), second(0);
        bool two = false;
        for (int e = g * size + 1; e < (g + 1) * size; ++e) {
          const S v = value(e);
          if (v > first) {
            second = first;
            first = v;
          } else if (!two || v > second) second = v;
          two = true;
        }
        const S judged = how.by == group_score::two_best && two ? first + second : first;
        if (best < 0 || judged > most) {
          best = g;
          most = judged;
        }
      }
      kept |= std::uint64_t{1} << best;
    }
    return kept;
  }
};

}  // namespace fauna::inline v0
