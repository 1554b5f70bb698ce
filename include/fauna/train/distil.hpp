// Distillation of a draft model from the model that it is to draft for (Zhou et al. 2024, "DistillSpec: improving
// speculative decoding via knowledge distillation", sections 3 and 4).
//   p = softmax(t), q = softmax(z): the laws of target and draft at a row
//   loss = mean over rows of  w TV(p, q) + (1 - w) KL(p || q),    TV = ½ Σ_v |p_v - q_v|
//   ∂TV/∂z_v = ½ q_v (s_v - Σ_u s_u q_u),  s = sign(q - p)        ∂KL/∂z_v = q_v - p_v
// 1 - TV is how often a drafted token stays (docs/speculation.md, Rejection), so TV is what a draft costs. Its slope is
// slight where q has little on what p has much on, as at the start of a training from nothing; that of KL is not.
#pragma once
#include <cmath>
#include <string>
#include <type_traits>
#include <vector>

#include <fauna/decode/loaded.hpp>
#include <fauna/train/trained.hpp>
#include <fauna/train/windows.hpp>

namespace fauna::inline v0 {

struct DistilOptions {
  int steps = 200, batch = 4, context = 64;  ///< batch: windows of `context` tokens
  double lr = 1e-3;                          ///< of the first update; it falls linearly to nothing
  double tv_weight = 0.9;                    ///< w, in [0, 1]
  double beta1 = 0.9, beta2 = 0.95, decay = 0, clip = 1;
  std::uint64_t seed = 1337;
};

/// How far the draft is from the target: the total variation and the divergence in nats, of a row or in the mean.
template <class S = double> struct LawDistance { S variation{}, divergence{}; };

namespace distil_detail {

/// Floats are summed in double; other scalars, dual numbers among them, as they are.
template <class S> using wide = std::conditional_t<std::is_same_v<S, float>, double, S>;

/// log softmax of n logits.
template <class S> void log_law(const S* z, int n, wide<S>* y) {
  using std::exp, std::log;
  S most = z[0];
  for (int v = 1; v < n; ++v)
    if (z[v] > most) most = z[v];
  wide<S> sum{};
  for (int v = 0; v < n; ++v) sum += exp(wide<S>(z[v] - most));
  const wide<S> rest = log(sum);
  for (int v = 0; v < n; ++v) y[v] = wide<S>(z[v] - most) - rest;
}

}  // namespace distil_detail

/// Of one row: draft logits z [n], target logits t [n]. dz [n] becomes `factor` times the gradient of
/// w TV + (1 - w) KL by z. room [2 n].
template <class S>
LawDistance<distil_detail::wide<S>> distil_loss(const S* z, const S* t, int n, double w, double factor, S* dz,
                                                distil_detail::wide<S>* room) {
  using std::exp;
  using A = distil_detail::wide<S>;
  A* const log_q = room;
  A* const log_p = room + n;
  distil_detail::log_law(z, n, log_q);
  distil_detail::log_law(t, n, log_p);
  const auto sign = [](A p, A q) { return q > p ? 1.0 : q < p ? -1.0 : 0.0; };
  LawDistance<A> sum;
  A signed_mass{};  // Σ s q
  for (int v = 0; v < n; ++v) {
    const A p = exp(log_p[v]), q = exp(log_q[v]);
    const double s = sign(p, q);
    sum.variation += A(s / 2) * (q - p);
    sum.divergence += p * (log_p[v] - log_q[v]);
    signed_mass += A(s) * q;
  }
  for (int v = 0; v < n; ++v) {
    const A p = exp(log_p[v]), q = exp(log_q[v]);
    dz[v] = static_cast<S>(A(factor) * (A(w / 2) * q * (A(sign(p, q)) - signed_mass) + A(1 - w) * (q - p)));
  }
  return sum;
}

/// Forward and backward of a batch: the mean distances; the loss's gradient is added to dw. y, dy, t [rows at once,
/// vocab]; target(first, t) leaves the target's logits of the rows from `first` on in t. head: the call of the head,
/// whose scratch holds the workspaces of its products.
template <class M, class C, class W, class G, class Sv, class St, class S, class F>
LawDistance<distil_detail::wide<S>> distil_pass(C const& call, C const& head, W const& w, G& dw, Sv& saved, St& state,
                                                Matrix<S> y, Matrix<S> dy, Matrix<S> t, double tv_weight, F&& target) {
  using A = distil_detail::wide<S>;
  const int R = call.rows();
  std::vector<A> room(static_cast<std::size_t>(2 * M::vocab));
  LawDistance<A> mean;
  const auto h = M::forward_rows(call, w, state, saved);
  for (int first = 0; first < R; first += y.rows()) {
    const int n = y.rows() < R - first ? y.rows() : R - first;
    const auto z = y.middle_rows(0, n), dz = dy.middle_rows(0, n), of_target = t.middle_rows(0, n);
    M::head_logits(head, w, h.middle_rows(first, n), z);
    target(first, of_target);
    for (int r = 0; r < n; ++r) {
      const auto d = distil_loss<S>(z.row(r), of_target.row(r), M::vocab, tv_weight, 1.0 / R, dz.row(r), room.data());
      mean.variation += d.variation / A(R);
      mean.divergence += d.divergence / A(R);
    }
    M::logits_gradient(head, w, dw, saved, first, reading(z), dz);
  }
  M::backward(call, w, dw, saved, state);
  return mean;
}

/// Trains a draft model on a text. see(step, LawDistance) after each update. target.logits(batch, logit_rows::all, y)
/// gives its logits of one window: a model of the same vocabulary, with memory for that (prepare_inference).
template <LanguageModel M, Backend B, class T, class F>
void distil(Trained<M, B>& draft, T& target, std::vector<int> const& ids, DistilOptions const& o, F&& see) {
  using S = typename B::scalar;
  static_assert(!memory<B>::remote, "fauna: the losses of rows are computed in the host's memory");
  if (o.steps < 0 || o.batch < 1 || o.context < 1)
    fail("distil",
         std::to_string(o.steps) + " steps of " + std::to_string(o.batch) + " windows of " + std::to_string(o.context) +
             " tokens",
         "at least one of each");
  if (!(o.tv_weight >= 0 && o.tv_weight <= 1))
    fail("distil", "a weight of the total variation of " + std::to_string(o.tv_weight), "0 to 1");
  Windows windows("distil", ids.size(), o.context, 0, Key{o.seed, 0x64697374});
  std::vector<std::size_t> starts(static_cast<std::size_t>(o.batch));
  const auto context = static_cast<std::size_t>(o.context);
  std::vector<int> tokens(static_cast<std::size_t>(o.batch) * context);
  std::vector<S> memory_(3 * context * static_cast<std::size_t>(M::vocab));
  const auto part = [&](int i) {
    return Matrix<S>(memory_.data() + static_cast<std::ptrdiff_t>(i) * o.context * M::vocab, o.context, M::vocab);
  };
  draft.prepare_training({.sequences = o.batch, .length = o.context});
  Scratch<B> of_head;
  const auto room = [&](int m, int n, int k) { return gemm<B>::workspace(m, n, k, draft.threads()); };
  const std::size_t shapes[] = {room(o.context, M::vocab, M::width), room(o.context, M::width, M::vocab),
                                room(M::vocab, M::width, o.context)};
  std::size_t most = 0;
  for (const std::size_t bytes : shapes) most = bytes > most ? bytes : most;
  of_head.grow(most);

  for (int step = 0; step < o.steps; ++step) {
    windows.starts(step, starts);
    for (std::size_t s = 0; s < starts.size(); ++s)
      for (std::size_t i = 0; i < context; ++i) tokens[s * context + i] = ids[starts[s] + i];
    LawDistance<> distance;
    const Batch batch = Batch::uniform(o.batch, o.context, tokens.data());
    draft.with(batch, [&](auto const& call, auto& w, auto& dw, auto& saved, auto& state) {
      auto head = call;
      head.backend = of_head.backend(draft.threads());
      distance = distil_pass<M>(
          call, head, w, dw, saved, state, part(0), part(1), part(2), o.tv_weight, [&](int first, Matrix<S> t) {
            target.logits(Batch::uniform(1, o.context, tokens.data() + first), logit_rows::all, t);
          });
    });
    draft.update({.lr = o.lr * (1 - static_cast<double>(step) / o.steps),
                  .beta1 = o.beta1,
                  .beta2 = o.beta2,
                  .decay = o.decay,
                  .clip = o.clip});
    see(step, distance);
  }
}

}  // namespace fauna::inline v0
