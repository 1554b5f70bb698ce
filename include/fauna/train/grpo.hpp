// Training on rewards that can be checked (Shao et al. 2024, "DeepSeekMath: Pushing the limits of mathematical
// reasoning in open language models", section 4.1, GRPO): a group of answers is drawn to each prompt, and those that
// are worth more than their group become likelier.
//   A_i = (R_i − mean R) / (std R + 10⁻⁴)        of a group; std of G − 1, as PyPI's trl has it
//   ρ_t = π(y_t) / π_old(y_t)      δ_t = log π_ref(y_t) − log π(y_t)
//   L = mean over answers of 1/|y| Σ_t [ −min(ρ_t A, clip(ρ_t, 1 − ε, 1 + ε) A) + β (e^δ_t − δ_t − 1) ]
//   ∂L/∂log π(y_t) = (−ρ_t A, or 0 where the clipped term is the lesser) + β (1 − e^δ_t)
// π_old drew the answers; π_ref is the model as training begins. Answers are drawn at temperature 1 among all tokens,
// so that π is what they are drawn from.
#pragma once
#include <cmath>
#include <string>
#include <utility>
#include <vector>

#include <fauna/backend/memory.hpp>
#include <fauna/decode/generate.hpp>
#include <fauna/ops/gemm/op.hpp>
#include <fauna/train/kept_values.hpp>

namespace fauna::inline v0 {

/// The advantages of a group's rewards: zeros where all are equal.
inline std::vector<double> group_advantages(std::vector<double> const& rewards) {
  const auto n = static_cast<double>(rewards.size());
  double mean = 0, squares = 0;
  for (const double r : rewards) mean += r / n;
  for (const double r : rewards) squares += (r - mean) * (r - mean);
  const double deviation = n > 1 ? std::sqrt(squares / (n - 1)) : 0;
  std::vector<double> all;
  all.reserve(rewards.size());
  for (const double r : rewards) all.push_back((r - mean) / (deviation + 1e-4));
  return all;
}

/// A token's loss, its derivative by log π, and the divergence from the reference, of which β is not a factor.
struct TokenLoss {
  double loss = 0, by = 0, divergence = 0;
};
/// log_p, log_old, log_ref: of the token, by the three models; clip: ε; beta: β.
inline TokenLoss grpo_loss(double log_p, double log_old, double log_ref, double advantage, double clip, double beta) {
  const double ratio = std::exp(log_p - log_old), within = std::fmin(std::fmax(ratio, 1 - clip), 1 + clip),
               delta = log_ref - log_p, divergence = std::expm1(delta) - delta;
  const bool clipped = within * advantage < ratio * advantage;
  return {-(clipped ? within : ratio) * advantage + beta * divergence,
          (clipped ? 0 : -ratio * advantage) - beta * std::expm1(delta), divergence};
}

struct GrpoOptions {
  int prompts = 1;  ///< of an update
  int group = 8;    ///< answers to each
  int tokens = 64;  ///< of an answer at most
  int updates = 1;  ///< by the same answers
  double clip = 0.2, beta = 0;
  std::size_t trains = 0;       ///< of the prompts so many first are answered to learn; 0: all
  std::vector<int> stop_ids{};  ///< an answer ends with one of these
  AdamWOptions adamw{};
};

/// Answers to prompts that are known by their numbers: ids[i], without the prompt and with the token that ends it, is
/// one to prompt of[i].
struct DrawnAnswers {
  std::vector<std::size_t> of{};
  std::vector<std::vector<int>> ids{};
};

/// A run in steps. The reference is the model as the run begins; no second model is held, but what trains is held
/// twice.
template <class T> class GrpoTrainer {
 public:
  using M = typename T::model;
  using TokenNumbers = std::vector<std::vector<double>>;  ///< one for each token of each answer

  /// Means over the answers of a step: reward and length of those that were drawn, loss and divergence of the first
  /// update.
  struct Seen {
    double loss = 0, reward = 0, divergence = 0, length = 0, gradient_norm = 0;
  };

  /// prompts: ids. Allocates all that a step needs, but for the cache of those that draw.
  GrpoTrainer(T& model, std::vector<std::vector<int>> prompts, GrpoOptions const& o)
      : model_(model), prompts_(std::move(prompts)), o_(o), start_(model) {
    static_assert(!memory<B>::remote, "fauna: the losses of tokens are computed in the host's memory");
    if (prompts_.empty() || o_.prompts < 1 || o_.group < 2 || o_.tokens < 1 || o_.updates < 1)
      fail("grpo",
           std::to_string(prompts_.size()) + " prompts, " + std::to_string(o_.prompts) + " of an update, groups of " +
               std::to_string(o_.group) + ", " + std::to_string(o_.tokens) + " tokens, " + std::to_string(o_.updates) +
               " updates",
           "at least 1 of each, and groups of 2");
    if (o_.trains > prompts_.size())
      fail("grpo", std::to_string(o_.trains) + " prompts that train", "at most " + std::to_string(prompts_.size()));
    if (o_.trains == 0) o_.trains = prompts_.size();
    std::size_t longest = 0;
    for (auto const& p : prompts_) longest = p.size() > longest ? p.size() : longest;
    constexpr std::size_t own = context_of<M>;
    const std::size_t asked = longest + static_cast<std::size_t>(o_.tokens) - 1;
    rows_ = static_cast<int>(own < asked ? own : asked);
    for (auto const& p : prompts_)
      if (p.empty() || p.size() > own)
        fail("grpo", "a prompt of " + std::to_string(p.size()) + " tokens", "1 to " + std::to_string(own));
    model_.prepare_training({.sequences = 1, .length = rows_});
    at_once_ = rows_ < 128 ? rows_ : 128;
    logits_.resize(2 * static_cast<std::size_t>(at_once_) * static_cast<std::size_t>(M::vocab));
    const auto room = [this](int m, int n, int k) { return gemm<B>::workspace(m, n, k, model_.threads()); };
    std::size_t most = room(at_once_, M::vocab, M::width);
    for (const std::size_t bytes : {room(at_once_, M::width, M::vocab), room(M::vocab, M::width, at_once_)})
      most = bytes > most ? bytes : most;
    of_head_.grow(most);
  }

  /// Draws answers, asks for what they are worth and learns from them: reward(DrawnAnswers) gives a number for each.
  /// What is drawn is a function of the model's seed, its weights and i.
  template <class F> Seen step(std::uint64_t i, double lr, F&& reward) {
    const DrawnAnswers answers = draw(i);
    return learn(answers, reward(answers), lr);
  }

  /// Groups of answers to prompts that are drawn with replacement.
  DrawnAnswers draw(std::uint64_t i) {
    const Key key = Key{model_.seed_value(), 0}.child(0x6772706f).child(i);
    DrawnAnswers answers;
    std::vector<std::vector<int>> asked;
    for (int p = 0; p < o_.prompts; ++p) {
      const std::size_t which = key.words(static_cast<std::uint64_t>(p))[0] * std::uint64_t{o_.trains} >> 32;
      for (int g = 0; g < o_.group; ++g) {
        answers.of.push_back(which);
        asked.push_back(prompts_[which]);
      }
    }
    answer(asked, 1, i * asked.size(), answers);
    return answers;
  }

  /// An answer to each of the prompts that do not train, of the likeliest tokens.
  DrawnAnswers held_out() {
    DrawnAnswers answers;
    const std::size_t at_once = static_cast<std::size_t>(o_.prompts) * static_cast<std::size_t>(o_.group);
    for (std::size_t from = o_.trains; from < prompts_.size(); from += at_once) {
      std::vector<std::vector<int>> asked;
      for (std::size_t p = from; p < prompts_.size() && p < from + at_once; ++p) {
        answers.of.push_back(p);
        asked.push_back(prompts_[p]);
      }
      answer(asked, 0, 0, answers);
    }
    return answers;
  }

  /// `updates` updates by groups of answers, which stand one after another.
  Seen learn(DrawnAnswers const& answers, std::vector<double> const& rewards, double lr) {
    const std::size_t n = answers.ids.size(), group = static_cast<std::size_t>(o_.group);
    if (rewards.size() != n || n == 0 || n % group != 0)
      fail("grpo", std::to_string(rewards.size()) + " rewards of " + std::to_string(n) + " answers",
           "one for each, in groups of " + std::to_string(group));
    Seen seen;
    std::vector<double> advantages;
    for (std::size_t from = 0; from < n; from += group) {
      const auto first = rewards.begin() + static_cast<std::ptrdiff_t>(from);
      for (const double a : group_advantages({first, first + static_cast<std::ptrdiff_t>(group)}))
        advantages.push_back(a);
    }
    for (std::size_t a = 0; a < n; ++a) {
      if (!(rewards[a] - rewards[a] == 0)) fail("grpo", "a reward of " + std::to_string(rewards[a]), "a finite number");
      seen.reward += rewards[a] / static_cast<double>(n);
      seen.length += static_cast<double>(answers.ids[a].size()) / static_cast<double>(n);
    }
    TokenNumbers reference, old;
    if (o_.beta > 0) {
      start_.exchange(model_);
      reference = log_p(answers);
      start_.exchange(model_);
    }
    if (o_.updates > 1) old = log_p(answers);
    AdamWOptions adamw = o_.adamw;
    adamw.lr = lr;
    for (int u = 0; u < o_.updates; ++u) {
      const Seen now = accumulate(answers, advantages, old, reference);
      const UpdateReport report = model_.update(adamw);
      if (report.not_finite >= 0 || !(now.loss - now.loss == 0))
        fail("grpo", "an update has loss " + std::to_string(now.loss), "finite numbers",
             "would a lower learning rate help?");
      if (u > 0) continue;
      seen.loss = now.loss;
      seen.divergence = now.divergence;
      seen.gradient_norm = report.gradient_norm;
    }
    return seen;
  }

  /// log π of each token, by the model as it is.
  TokenNumbers log_p(DrawnAnswers const& answers) {
    TokenNumbers all;
    for (std::size_t a = 0; a < answers.ids.size(); ++a) {
      auto const& ids = answers.ids[a];
      all.emplace_back();
      pass(answers.of[a], ids, false,
           [&](std::size_t t, const S* z, S*) { all.back().push_back(static_cast<double>(z[ids[t]]) - log_sum(z)); });
    }
    return all;
  }

  /// Adds the gradients of the loss; the loss, and the divergence. old: log π_old, or none, where the model itself drew
  /// the answers and has not learnt since; reference: log π_ref, or none, where β is 0.
  Seen accumulate(DrawnAnswers const& answers, std::vector<double> const& advantages, TokenNumbers const& old,
                  TokenNumbers const& reference) {
    Seen seen;
    for (std::size_t a = 0; a < answers.ids.size(); ++a) {
      auto const& ids = answers.ids[a];
      const double part = 1 / (static_cast<double>(answers.ids.size()) * static_cast<double>(ids.size()));
      pass(answers.of[a], ids, true, [&](std::size_t t, const S* z, S* dz) {
        const double all = log_sum(z), log_p = static_cast<double>(z[ids[t]]) - all,
                     log_old = old.empty() ? log_p : old[a][t], log_ref = reference.empty() ? log_p : reference[a][t];
        const TokenLoss l = grpo_loss(log_p, log_old, log_ref, advantages[a], o_.clip, o_.beta);
        seen.loss += part * l.loss;
        seen.divergence += part * l.divergence;
        for (int v = 0; v < M::vocab; ++v)  // ∂log π(y_t)/∂z_v = [v = y_t] − π(v)
          dz[v] = static_cast<S>(part * l.by * ((v == ids[t] ? 1 : 0) - std::exp(static_cast<double>(z[v]) - all)));
      });
    }
    return seen;
  }

 private:
  using B = typename T::backend;
  using S = typename T::scalar;

  /// Appends the answers to prompts.
  void answer(std::vector<std::vector<int>> const& asked, float temperature, std::uint64_t sample,
              DrawnAnswers& answers) {
    const auto texts = generate_batch(model_, asked,
                                      {.tokens = o_.tokens,
                                       .temperature = temperature,
                                       .top_k = 0,
                                       .seed = model_.seed_value(),
                                       .sample = sample,
                                       .stop_ids = o_.stop_ids,
                                       .context = rows_,
                                       .at_end = context_end::stop},
                                      [](int, int) {});
    for (std::size_t a = 0; a < texts.size(); ++a)
      answers.ids.emplace_back(texts[a].begin() + static_cast<std::ptrdiff_t>(asked[a].size()), texts[a].end());
  }

  static double log_sum(const S* z) {
    double most = static_cast<double>(z[0]), sum = 0;
    for (int v = 1; v < M::vocab; ++v) most = std::fmax(most, static_cast<double>(z[v]));
    for (int v = 0; v < M::vocab; ++v) sum += std::exp(static_cast<double>(z[v]) - most);
    return most + std::log(sum);
  }
  /// Forward, and where the model learns backward: see(t, logits of token t of the answer, their gradient).
  template <class F> void pass(std::size_t prompt, std::vector<int> const& answer, bool learns, F const& see) {
    if (answer.empty() || prompts_[prompt].size() + answer.size() > static_cast<std::size_t>(rows_) + 1)
      fail("grpo", "an answer of " + std::to_string(answer.size()) + " tokens", "one that the model drew");
    tokens_ = prompts_[prompt];
    const int before = static_cast<int>(tokens_.size()) - 1;  // rows without a token of the answer
    tokens_.insert(tokens_.end(), answer.begin(), answer.end() - 1);
    const Batch b = Batch::uniform(1, static_cast<int>(tokens_.size()), tokens_.data());
    const std::size_t half = logits_.size() / 2;
    model_.with(b, [&](auto const& call, auto& w, auto& dw, auto& saved, auto& state) {
      auto head = call;
      head.backend = of_head_.backend(model_.threads());
      const auto h = M::forward_rows(call, w, state, saved);
      for (int first = 0; first < b.rows; first += at_once_) {
        const int n = at_once_ < b.rows - first ? at_once_ : b.rows - first;
        const Matrix<S> z(logits_.data(), n, M::vocab), dz(logits_.data() + half, n, M::vocab);
        M::head_logits(head, w, h.middle_rows(first, n), z);
        for (int r = 0; r < n; ++r) {
          if (first + r >= before) see(static_cast<std::size_t>(first + r - before), z.row(r), dz.row(r));
          else
            for (int v = 0; v < M::vocab; ++v) dz(r, v) = 0;
        }
        if (learns) M::logits_gradient(head, w, dw, saved, first, as_const(z), dz);
      }
      if (learns) M::backward(call, w, dw, saved, state);
    });
  }

  T& model_;
  std::vector<std::vector<int>> prompts_;
  GrpoOptions o_;
  KeptValues<T> start_;  ///< of π_ref
  int rows_ = 0, at_once_ = 0;
  Scratch<B> of_head_{};
  std::vector<S> logits_{};
  std::vector<int> tokens_{};
};

}  // namespace fauna::inline v0
