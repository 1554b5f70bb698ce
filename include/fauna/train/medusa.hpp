// Medusa's heads are trained on a model that stays as it is (Medusa-1; Cai et al. 2024, section 2.2.1), or together
// with it (Medusa-2, section 2.2.2).
//   z_k as decode/speculate/medusa.hpp has it, of h, what the trunk gives for a row;  k from 0 on
//   L1 = Σ_k λ^k mean over rows of CE(head(z_k), the token k + 2 places on)      L2 = CE(head(h), the next token) + λ₀
//   L1
// The head is the model's own. In Medusa-1 it is frozen: dz comes through it, and goes no further than W_k and b_k; or
// each z_k has an output matrix of its own, as published, which starts as a copy of the model's and learns. In
// Medusa-2 it learns from all its losses, and dh = dz_k + W_kᵀ da_k of every head goes on into the trunk. The gradient
// of heads that know nothing yet would spoil the model, so the heads alone are trained first; and the model, which has
// learnt already, has a lower rate.
#pragma once
#include <cmath>
#include <cstring>
#include <string>
#include <vector>

#include <fauna/backend/cpu.hpp>
#include <fauna/decode/loaded.hpp>
#include <fauna/decode/speculate/medusa.hpp>
#include <fauna/ops/cross_entropy/op.hpp>
#include <fauna/train/hidden_rows.hpp>
#include <fauna/train/trained.hpp>
#include <fauna/train/windows.hpp>

namespace fauna::inline v0 {

struct MedusaOptions {
  int heads = 3, steps = 200, batch = 4, context = 64;                 ///< batch: windows of `context` tokens
  double lr = 1e-3, decay_per_head = 0.8, beta1 = 0.9, beta2 = 0.999;  ///< decay_per_head: λ
  std::uint64_t seed = 1337;
  bool grid = false;  ///< windows begin at multiples of their length, and all are visited once an epoch
  bool own_heads =
      false;  ///< of Medusa-1: an output matrix for each head, where the model's is without a bias or a cap
};

/// Medusa-2's beside them.
struct JointOptions {
  int first = 50;       ///< of the steps, those before the model learns too
  double lr = 2.5e-4;   ///< of the model's first update; both rates fall linearly to nothing at the last step
  double weight = 0.2;  ///< λ₀
  double decay = 0, clip = 1;
};

/// What a step came to, in nats.
struct MedusaLosses {
  double next = 0;             ///< of the model itself
  std::vector<float> heads{};  ///< of each head
};

namespace medusa_detail {

/// Heads on their way, and the windows of a text that they learn from, on a backend whose memory is the host's.
template <Backend B> class Learner {
 public:
  MedusaWeights weights, gradient;

  Learner(std::vector<int> const& ids, MedusaOptions const& o, int width, int vocab, int threads)
      : weights(MedusaWeights::initial(o.heads > 0 ? o.heads : 0, width, vocab)),
        ids_(&ids),
        o_(o),
        threads_(threads),
        rows_(o.batch * o.context),
        windows_("medusa", ids.size(), o.context, o.heads + 1, Key{o.seed, 0x6d6564}, o.grid) {
    static_assert(!memory<B>::remote, "fauna: Medusa's heads are trained in the host's memory");
    if (o.heads < 1 || o.steps < 0 || o.batch < 1 || o.context < 1)
      fail("medusa",
           std::to_string(o.heads) + " heads, " + std::to_string(o.steps) + " steps of " + std::to_string(o.batch) +
               " windows of " + std::to_string(o.context) + " tokens",
           "at least one of each");
    const auto rows = static_cast<std::size_t>(rows_), numbers = rows * static_cast<std::size_t>(width);
    a_.resize(numbers), z_.resize(numbers), dz_.resize(numbers);
    row_losses_.resize(rows), tokens_.resize(rows), targets_.resize(rows);
    losses_.resize(static_cast<std::size_t>(o.heads));
    starts_.resize(static_cast<std::size_t>(o.batch));
    gradient = first_ = second_ = weights;
    const std::size_t forth = gemm<B>::workspace(rows_, width, width, threads),
                      back = gemm<B>::workspace(width, width, rows_, threads);
    scratch_.grow(forth > back ? forth : back);
  }
  /// Gives each head a copy of an output matrix [vocab, width], which learns with it.
  void give(std::vector<float> const& head) {
    for (int k = 0; k < weights.heads; ++k) weights.own.insert(weights.own.end(), head.begin(), head.end());
    for (MedusaWeights* const w : {&gradient, &first_, &second_}) w->own.resize(weights.own.size());
    scratch_.grow(cross_entropy<B>::workspace(rows_, weights.width, weights.vocab, threads_));
  }

  int rows() const { return rows_; }
  /// Where the windows that were drawn begin in the text.
  std::vector<std::size_t> const& starts() const { return starts_; }
  /// The windows of a step, a sequence each.
  Batch draw(int step) {
    windows_.starts(step, starts_);
    for (std::size_t s = 0; s < starts_.size(); ++s)
      for (std::size_t t = 0; t < context(); ++t) tokens_[s * context() + t] = (*ids_)[starts_[s] + t];
    return Batch::uniform(o_.batch, o_.context, tokens_.data());
  }
  /// Of each row of these the token so many places on, until the next call.
  const int* ahead(int places) {
    for (std::size_t r = 0; r < targets_.size(); ++r)
      targets_[r] = (*ids_)[starts_[r / context()] + r % context() + static_cast<std::size_t>(places)];
    return targets_.data();
  }
  /// L1's parts for rows h [rows, width], and `weight` times its gradient: that of the heads, and added to dh, unless
  /// that has no rows. of_head(z, targets, factor, losses [rows], dz) is the model's head, unless they have their own.
  template <class F>
  std::vector<float> const& pass(Matrix<const float> h, double weight, Matrix<float> dh, F&& of_head) {
    const int d = weights.width;
    const B b = scratch_.backend(threads_);
    const auto matrix = [&](std::vector<float>& v) { return Matrix<float>(v.data(), rows_, d); };
    const auto z = matrix(z_), a = matrix(a_), dz = matrix(dz_);
    for (int k = 0; k < weights.heads; ++k) {
      const Matrix<float> W(weights.of_weight(k), d, d), dW(gradient.of_weight(k), d, d);
      Epilogue<float> with_bias;
      with_bias.bias = weights.bias.data() + static_cast<std::ptrdiff_t>(k) * d;
      gemm<B>::nt(b, h, reading(W), a, with_bias);
      for (int r = 0; r < rows_; ++r)
        for (int c = 0; c < d; ++c) z(r, c) = h(r, c) + a(r, c) / (1 + std::exp(-a(r, c)));
      const double factor = weight * std::pow(o_.decay_per_head, k) / rows_;
      if (weights.own.empty()) of_head(reading(z), ahead(k + 2), static_cast<float>(factor), row_losses_.data(), dz);
      else own_head(b, k, reading(z), static_cast<float>(factor), dz);
      for (int r = 0; r < dh.rows(); ++r)
        for (int c = 0; c < d; ++c) dh(r, c) += dz(r, c);
      float* const of_bias = gradient.bias.data() + static_cast<std::ptrdiff_t>(k) * d;
      for (int c = 0; c < d; ++c) of_bias[c] = 0;
      for (int r = 0; r < rows_; ++r)
        for (int c = 0; c < d; ++c) {  // da, in dz's place
          const float s = 1 / (1 + std::exp(-a(r, c)));
          dz(r, c) *= s * (1 + a(r, c) * (1 - s));
          of_bias[c] += dz(r, c);
        }
      gemm<B>::tn(b, reading(dz), h, dW);
      if (dh.rows() > 0) {
        Epilogue<float> onto;
        onto.base = dh.data();
        onto.base_stride = dh.stride();
        gemm<B>::nn(b, reading(dz), reading(W), dh, onto);
      }
      losses_[static_cast<std::size_t>(k)] = mean();
    }
    return losses_;
  }
  /// Room for losses [rows], and their mean.
  float* row_losses() { return row_losses_.data(); }
  float mean() const {
    double sum = 0;
    for (const float l : row_losses_) sum += static_cast<double>(l);
    return static_cast<float>(sum / rows_);
  }
  /// Adam (Kingma and Ba 2015, algorithm 1), its rate falling linearly to nothing.
  void update(int step) {
    const double rate = o_.lr * (1 - static_cast<double>(step) / o_.steps);
    const double c1 = 1 - std::pow(o_.beta1, step + 1), c2 = 1 - std::pow(o_.beta2, step + 1);
    for (const auto part : {&MedusaWeights::weight, &MedusaWeights::bias, &MedusaWeights::own}) {
      auto &value = weights.*part, &m1 = first_.*part, &m2 = second_.*part;
      constexpr std::size_t block = 1 << 14;
      parallel_for(threads_, static_cast<int>((value.size() + block - 1) / block), 1, [&](int from, int to) {
        const std::size_t last = static_cast<std::size_t>(to) * block;
        for (std::size_t i = static_cast<std::size_t>(from) * block; i < last && i < value.size(); ++i) {
          const double g = static_cast<double>((gradient.*part)[i]);
          const double first = o_.beta1 * static_cast<double>(m1[i]) + (1 - o_.beta1) * g,
                       second = o_.beta2 * static_cast<double>(m2[i]) + (1 - o_.beta2) * g * g;
          m1[i] = static_cast<float>(first);
          m2[i] = static_cast<float>(second);
          value[i] -= static_cast<float>(rate * (first / c1) / (std::sqrt(second / c2) + 1e-8));
        }
      });
    }
  }

 private:
  std::size_t context() const { return static_cast<std::size_t>(o_.context); }
  /// Losses of rows z by head k's own matrix, `factor` times their gradient in dz, and the matrix's own.
  void own_head(B const& b, int k, Matrix<const float> z, float factor, Matrix<float> dz) {
    const std::ptrdiff_t size = static_cast<std::ptrdiff_t>(weights.vocab) * weights.width;
    const Matrix<float> W(weights.own.data() + k * size, weights.vocab, weights.width),
        dW(gradient.own.data() + k * size, weights.vocab, weights.width);
    std::memset(dW.data(), 0, dW.size() * sizeof(float));
    cross_entropy<B>::loss_and_gradient(b, z, reading(W), nullptr, ahead(k + 2), ignore_target, factor,
                                        row_losses_.data(), dz, dW, nullptr);
  }

  std::vector<int> const* ids_;
  MedusaOptions o_;
  int threads_, rows_;
  Windows windows_;
  std::vector<float> a_{}, z_{}, dz_{}, row_losses_{}, losses_{};
  MedusaWeights first_{}, second_{};  ///< moments
  std::vector<int> tokens_{}, targets_{};
  std::vector<std::size_t> starts_{};  ///< of the windows, in the text
  Scratch<B> scratch_{};
};

/// The output matrix [vocab, width] of a model: what its head gives for rows of the identity, `rows` of them at once.
/// Throws where the head is more than a matrix.
template <LanguageModel M, class T> std::vector<float> head_of(T& target, int rows) {
  constexpr std::size_t d = M::width, vocab = M::vocab;
  std::vector<float> W(vocab * d), x(static_cast<std::size_t>(rows) * d), y(static_cast<std::size_t>(rows) * vocab);
  const auto logits_of = [&](int first, int n, float one) {
    std::memset(x.data(), 0, x.size() * sizeof(float));
    for (int r = 0; r < n; ++r) x[static_cast<std::size_t>(r) * d + static_cast<std::size_t>(first + r)] = one;
    target.head(Matrix<const float>(x.data(), n, M::width), Matrix<float>(y.data(), n, M::vocab));
  };
  for (int first = 0; first < M::width; first += rows) {
    const int n = rows < M::width - first ? rows : M::width - first;
    logits_of(first, n, 1);
    for (int r = 0; r < n; ++r)
      for (std::size_t v = 0; v < vocab; ++v)
        W[v * d + static_cast<std::size_t>(first + r)] = y[static_cast<std::size_t>(r) * vocab + v];
  }
  constexpr float large = 1 << 16;  // a power of two, so that a matrix gives exactly as much more
  logits_of(0, 1, large);
  for (std::size_t v = 0; v < vocab; ++v)
    if (y[v] != large * W[v * d])
      fail("medusa", "heads of their own for a model whose head has a bias or a cap", "a head that is a matrix",
           "heads that share the model's can be trained for it");
  return W;
}

}  // namespace medusa_detail

/// Medusa-1: trains heads on a text. see(step, losses [heads] in nats, heads) after each update. Weights of the target
/// are All<float>: the head's gradient goes through them as rows. known: of windows of o.context tokens on the grid.
template <LanguageModel M, Backend B, class F>
MedusaWeights train_medusa(Loaded<M, B, All<float>>& target, std::vector<int> const& ids, MedusaOptions const& o,
                           F&& see, HiddenRows* known = nullptr) {
  medusa_detail::Learner<B> learner(ids, o, M::width, M::vocab, target.threads());
  target.prepare_inference({.sequences = o.batch, .length = o.context});
  if (known != nullptr) known->require(o.grid, o.context);
  if (o.own_heads) learner.give(medusa_detail::head_of<M>(target, learner.rows()));
  std::vector<float> memory_(static_cast<std::size_t>(learner.rows()) * static_cast<std::size_t>(M::width));
  const Matrix<float> h(memory_.data(), learner.rows(), M::width);
  for (int step = 0; step < o.steps; ++step) {
    const Batch windows = learner.draw(step);
    if (known != nullptr) known->hidden(target, learner.starts(), h);
    else target.hidden(windows, h);
    auto const& losses = learner.pass(reading(h), 1, {},
                                      [&](Matrix<const float> z, const int* targets, float factor, float* of_rows,
                                          Matrix<float> dz) { target.head_gradient(z, targets, factor, of_rows, dz); });
    learner.update(step);
    see(step, losses, static_cast<MedusaWeights const&>(learner.weights));
  }
  return static_cast<MedusaWeights&&>(learner.weights);
}

/// Medusa-2: trains heads on a text, and from step joint.first on the model with them. see(step, MedusaLosses, heads)
/// after each update. For models without further depths, on a backend whose memory is the host's.
template <LanguageModel M, Backend B, class F>
MedusaWeights train_medusa2(Trained<M, B>& model, std::vector<int> const& ids, MedusaOptions const& o,
                            JointOptions const& joint, F&& see) {
  if (joint.first < 0 || !(joint.lr >= 0) || !(joint.weight >= 0))
    fail("medusa",
         std::to_string(joint.first) + " steps of heads alone, a rate of " + std::to_string(joint.lr) +
             " for the model, a weight of " + std::to_string(joint.weight) + " for the heads",
         "none below 0");
  medusa_detail::Learner<B> learner(ids, o, M::width, M::vocab, model.threads());
  model.prepare_training({.sequences = o.batch, .length = o.context});
  const auto of_width = [](auto m) {
    return View<std::remove_pointer_t<decltype(m.data())>, dyn, M::width>(m.data(), m.rows(), M::width, m.stride());
  };
  MedusaLosses losses;
  for (int step = 0; step < o.steps; ++step) {
    const bool together = step >= joint.first;
    model.with(learner.draw(step), [&](auto const& call, auto& w, auto& dw, auto& saved, auto& state) {
      const auto h = M::forward_rows(call, w, state, saved);
      const auto next = [&](auto&... learns) {
        M::head_gradient(call, w, learns..., h, learner.ahead(1), 1.0F / static_cast<float>(learner.rows()),
                         learner.row_losses(), saved.dh);
        losses.next = static_cast<double>(learner.mean());
        losses.heads = learner.pass(
            h, together ? joint.weight : 1, together ? Matrix<float>(saved.dh) : Matrix<float>(),
            [&](Matrix<const float> z, const int* targets, float factor, float* of_rows, Matrix<float> dz) {
              M::head_gradient(call, w, learns..., of_width(z), targets, factor, of_rows, of_width(dz));
            });
      };
      if (!together) return next();
      next(dw);
      M::backward(call, w, dw, saved, state);
    });
    learner.update(step);
    if (together)
      model.update({.lr = joint.lr * (1 - static_cast<double>(step - joint.first) / (o.steps - joint.first)),
                    .decay = joint.decay,
                    .clip = joint.clip});
    see(step, static_cast<MedusaLosses const&>(losses), static_cast<MedusaWeights const&>(learner.weights));
  }
  return static_cast<MedusaWeights&&>(learner.weights);
}

}  // namespace fauna::inline v0
