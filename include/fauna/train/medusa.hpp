// Medusa's heads are trained on a model that stays as it is (Medusa-1; Cai et al. 2024, section 2.2.1), or together
// with it (Medusa-2, section 2.2.2).
//   z_k as decode/speculate/medusa.hpp has it, of h, what the trunk gives for a row;  k from 0 on
//   L1 = Σ_k λ^k mean over rows of CE(head(z_k), the token k + 2 places on)      L2 = CE(head(h), the next token) + λ₀
//   L1
// The head is the model's own. In Medusa-1 it is frozen: dz comes through it, and goes no further than W_k and b_k. In
// Medusa-2 it learns from all its losses, and dh = dz_k + W_kᵀ da_k of every head goes on into the trunk. The gradient
// of heads that know nothing yet would spoil the model, so the heads alone are trained first; and the model, which has
// learnt already, has a lower rate.
#pragma once
#include <cmath>
#include <string>
#include <vector>

#include <fauna/decode/loaded.hpp>
#include <fauna/decode/speculate/medusa.hpp>
#include <fauna/train/trained.hpp>
#include <fauna/train/windows.hpp>

namespace fauna::inline v0 {

struct MedusaOptions {
  int heads = 3, steps = 200, batch = 4, context = 64;                 ///< batch: windows of `context` tokens
  double lr = 1e-3, decay_per_head = 0.8, beta1 = 0.9, beta2 = 0.999;  ///< decay_per_head: λ
  std::uint64_t seed = 1337;
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
  MedusaWeights weights;

  Learner(std::vector<int> const& ids, MedusaOptions const& o, int width, int vocab, int threads)
      : weights(MedusaWeights::initial(o.heads > 0 ? o.heads : 0, width, vocab)),
        ids_(&ids),
        o_(o),
        threads_(threads),
        rows_(o.batch * o.context) {
    static_assert(!memory<B>::remote, "fauna: Medusa's heads are trained in the host's memory");
    if (o.heads < 1 || o.steps < 0 || o.batch < 1 || o.context < 1)
      fail("medusa",
           std::to_string(o.heads) + " heads, " + std::to_string(o.steps) + " steps of " + std::to_string(o.batch) +
               " windows of " + std::to_string(o.context) + " tokens",
           "at least one of each");
    windows_ = windows_of("medusa", ids.size(), o.context, o.heads + 1);
    const auto rows = static_cast<std::size_t>(rows_), numbers = rows * static_cast<std::size_t>(width);
    a_.resize(numbers), z_.resize(numbers), dz_.resize(numbers);
    row_losses_.resize(rows), tokens_.resize(rows), targets_.resize(rows);
    losses_.resize(static_cast<std::size_t>(o.heads));
    starts_.resize(static_cast<std::size_t>(o.batch));
    dw_.resize(weights.weight.size()), db_.resize(weights.bias.size());
    for (int i = 0; i < 2; ++i) of_weights_[i] = dw_, of_biases_[i] = db_;
    const std::size_t forth = gemm<B>::workspace(rows_, width, width, threads),
                      back = gemm<B>::workspace(width, width, rows_, threads);
    scratch_.grow(forth > back ? forth : back);
  }

  int rows() const { return rows_; }
  /// The windows of a step, a sequence each.
  Batch draw(int step) {
    for (std::size_t s = 0; s < starts_.size(); ++s) {
      starts_[s] = window_start(Key{o_.seed, 0x6d6564}.child(static_cast<std::uint64_t>(step)).child(s), windows_);
      for (std::size_t t = 0; t < context(); ++t) tokens_[s * context() + t] = (*ids_)[starts_[s] + t];
    }
    return Batch::uniform(o_.batch, o_.context, tokens_.data());
  }
  /// Of each row of these the token so many places on, until the next call.
  const int* ahead(int places) {
    for (std::size_t r = 0; r < targets_.size(); ++r)
      targets_[r] = (*ids_)[starts_[r / context()] + r % context() + static_cast<std::size_t>(places)];
    return targets_.data();
  }
  /// L1's parts for rows h [rows, width], and `weight` times its gradient: that of the heads, and added to dh, unless
  /// that has no rows. of_head(z, targets, factor, losses [rows], dz) is the model's head.
  template <class F>
  std::vector<float> const& pass(Matrix<const float> h, double weight, Matrix<float> dh, F&& of_head) {
    const int d = weights.width;
    const B b = scratch_.backend(threads_);
    const auto matrix = [&](std::vector<float>& v) { return Matrix<float>(v.data(), rows_, d); };
    const auto z = matrix(z_), a = matrix(a_), dz = matrix(dz_);
    for (int k = 0; k < weights.heads; ++k) {
      const Matrix<float> W(weights.of_weight(k), d, d), dW(dw_.data() + static_cast<std::ptrdiff_t>(k) * d * d, d, d);
      Epilogue<float> with_bias;
      with_bias.bias = weights.bias.data() + static_cast<std::ptrdiff_t>(k) * d;
      gemm<B>::nt(b, h, reading(W), a, with_bias);
      for (int r = 0; r < rows_; ++r)
        for (int c = 0; c < d; ++c) z(r, c) = h(r, c) + a(r, c) / (1 + std::exp(-a(r, c)));
      const double factor = weight * std::pow(o_.decay_per_head, k) / rows_;
      of_head(reading(z), ahead(k + 2), static_cast<float>(factor), row_losses_.data(), dz);
      for (int r = 0; r < dh.rows(); ++r)
        for (int c = 0; c < d; ++c) dh(r, c) += dz(r, c);
      float* const of_bias = db_.data() + static_cast<std::ptrdiff_t>(k) * d;
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
    const auto move = [&](std::vector<float>& value, std::vector<float> const& gradient, std::vector<float>* m) {
      for (std::size_t i = 0; i < value.size(); ++i) {
        const double g = static_cast<double>(gradient[i]);
        const double first = o_.beta1 * static_cast<double>(m[0][i]) + (1 - o_.beta1) * g,
                     second = o_.beta2 * static_cast<double>(m[1][i]) + (1 - o_.beta2) * g * g;
        m[0][i] = static_cast<float>(first);
        m[1][i] = static_cast<float>(second);
        value[i] -= static_cast<float>(rate * (first / c1) / (std::sqrt(second / c2) + 1e-8));
      }
    };
    move(weights.weight, dw_, of_weights_);
    move(weights.bias, db_, of_biases_);
  }

 private:
  std::size_t context() const { return static_cast<std::size_t>(o_.context); }

  std::vector<int> const* ids_;
  MedusaOptions o_;
  int threads_, rows_, windows_ = 0;
  std::vector<float> a_{}, z_{}, dz_{}, row_losses_{}, losses_{}, dw_{}, db_{};
  std::vector<float> of_weights_[2], of_biases_[2];  ///< moments, first and second
  std::vector<int> tokens_{}, targets_{};
  std::vector<std::size_t> starts_{};  ///< of the windows, in the text
  Scratch<B> scratch_{};
};

}  // namespace medusa_detail

/// Medusa-1: trains heads on a text. see(step, losses [heads] in nats) after each update. Weights of the target are
/// All<float>: the head's gradient goes through them as rows.
template <LanguageModel M, Backend B, class F>
MedusaWeights train_medusa(Loaded<M, B, All<float>>& target, std::vector<int> const& ids, MedusaOptions const& o,
                           F&& see) {
  medusa_detail::Learner<B> learner(ids, o, M::width, M::vocab, target.threads());
  std::vector<float> memory_(static_cast<std::size_t>(learner.rows()) * static_cast<std::size_t>(M::width));
  const Matrix<float> h(memory_.data(), learner.rows(), M::width);
  target.prepare_inference({.sequences = o.batch, .length = o.context});
  for (int step = 0; step < o.steps; ++step) {
    target.hidden(learner.draw(step), h);
    auto const& losses = learner.pass(reading(h), 1, {},
                                      [&](Matrix<const float> z, const int* targets, float factor, float* of_rows,
                                          Matrix<float> dz) { target.head_gradient(z, targets, factor, of_rows, dz); });
    learner.update(step);
    see(step, losses);
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
