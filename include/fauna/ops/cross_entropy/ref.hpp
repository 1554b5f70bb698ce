#pragma once
#include <cmath>
#include <vector>

#include <fauna/ops/cross_entropy/op.hpp>

namespace fauna::inline v0 {

template <class S> struct cross_entropy<Ref<S>> {
  using B = Ref<S>;

  static constexpr std::size_t workspace(int, int, int, int) { return 0; }

  template <class E, int V, int C>
  static void loss(B const&, Matrix<const S> x, View<E, V, C> w, const S* bias, const int* targets, int ignore,
                   S* losses, double cap = 0) {
    check_targets("cross_entropy.loss", targets, ignore, x.rows(), w.rows());
    for (int r = 0; r < x.rows(); ++r) {
      losses[r] = S(0);
      if (targets[r] == ignore) continue;
      const std::vector<S> z = logits(x.row(r), w, bias, cap);
      losses[r] = log_sum_exp(z) - z[static_cast<std::size_t>(targets[r])];
    }
  }

  template <class E, int V, int C>
  static void loss_and_gradient(B const& b, Matrix<const S> x, View<E, V, C> w, const S* bias, const int* targets,
                                int ignore, S scale, S* losses, Matrix<S> dx, Matrix<S> dw, S* dbias, double cap = 0) {
    using std::exp;
    loss(b, x, w, bias, targets, ignore, losses, cap);
    for (int r = 0; r < x.rows(); ++r) {
      const std::vector<S> row(x.row(r), x.row(r) + x.cols());  // dx may be x
      for (int c = 0; c < x.cols(); ++c) dx(r, c) = S(0);
      if (targets[r] == ignore) continue;
      const std::vector<S> z = logits(row.data(), w, bias, cap);
      const S L = log_sum_exp(z);
      for (int v = 0; v < w.rows(); ++v) {
        const S t = cap > 0 ? z[static_cast<std::size_t>(v)] / S(cap) : S(0);
        const S dz = scale * (S(1) - t * t) * (exp(z[static_cast<std::size_t>(v)] - L) - S(v == targets[r] ? 1 : 0));
        for (int c = 0; c < x.cols(); ++c) {
          dx(r, c) += dz * static_cast<S>(w(v, c));
          if (dw) dw(v, c) += dz * row[static_cast<std::size_t>(c)];
        }
        if (dbias) dbias[v] += dz;
      }
    }
  }

 private:
  template <class E, int V, int C>
  static std::vector<S> logits(const S* x, View<E, V, C> w, const S* bias, double cap) {
    using std::tanh;
    std::vector<S> z(static_cast<std::size_t>(w.rows()), S(0));
    for (int v = 0; v < w.rows(); ++v) {
      S& sum = z[static_cast<std::size_t>(v)];
      for (int c = 0; c < w.cols(); ++c) sum += static_cast<S>(w(v, c)) * x[c];
      if (bias) sum += bias[v];
      if (cap > 0) sum = S(cap) * tanh(sum / S(cap));
    }
    return z;
  }

  static S log_sum_exp(std::vector<S> const& z) {
    using std::exp, std::log;
    S most = z[0], sum(0);
    for (S const& v : z) most = v > most ? v : most;
    for (S const& v : z) sum += exp(v - most);
    return most + log(sum);
  }
};

}  // namespace fauna::inline v0
