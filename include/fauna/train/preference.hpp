// Training on preferences: which of two answers to a prompt is the better one, or whether an answer is good.
//   log π(y|x) = Σ_t log p(y_t | x, y_<t) of the model that trains; log π_ref: of the model as training begins
//
//   DPO  (Rafailov et al. 2023, eq. 7)         L = −log σ(βΔ),  Δ = log π(y_w)/π_ref(y_w) − log π(y_l)/π_ref(y_l)
//     where labels are wrong with probability ε (Mitchell 2023, cDPO)    L = −(1−ε) log σ(βΔ) − ε log σ(−βΔ)
//   ORPO (Hong et al. 2024, eq. 3 to 7)        L = −ℓ_w − β log σ(log odds(y_w) − log odds(y_l))
//     ℓ = log π(y) / |y|,  log odds(y) = ℓ − log(1 − e^ℓ); without a reference
//   KTO  (Ethayarajh et al. 2024, eq. 7 and 8) L = λ_D (1 − σ(β(r − z))) of a good answer, λ_U (1 − σ(β(z − r))) else
//     r = log π(y)/π_ref(y),  z = max(0, mean of r over prompts with an answer to another prompt), without a gradient
//
// A loss is a function of log probabilities, and so is its gradient: ∂L/∂θ = Σ (∂L/∂log π(y)) ∂log π(y)/∂θ. The first
// factor stands here; the second is the gradient of cross-entropy, negated, which a model has already.
#pragma once
#include <cmath>
#include <string>
#include <utility>
#include <vector>

#include <fauna/core/batch.hpp>
#include <fauna/core/rng.hpp>
#include <fauna/text/tokens.hpp>
#include <fauna/train/trained.hpp>

namespace fauna::inline v0 {

inline double sigmoid(double x) { return x < 0 ? std::exp(x) / (1 + std::exp(x)) : 1 / (1 + std::exp(-x)); }
inline double log_sigmoid(double x) { return std::fmin(x, 0) - std::log1p(std::exp(-std::fabs(x))); }
/// log(1 − eˣ) of x < 0, by whichever of the two forms loses no digits.
inline double log1mexp(double x) {
  return x > -0.6931471805599453 ? std::log(-std::expm1(x)) : std::log1p(-std::exp(x));
}

/// A loss of two answers, its derivatives by their log probabilities, and how far the better one is ahead.
struct PairLoss {
  double loss = 0, by_chosen = 0, by_rejected = 0, margin = 0;
};
/// chosen, rejected: log π/π_ref. Throws nothing; finite for all finite arguments.
inline PairLoss dpo_loss(double chosen, double rejected, double beta, double smoothing = 0) {
  const double d = beta * (chosen - rejected);
  const double by = -(1 - smoothing) * sigmoid(-d) + smoothing * sigmoid(d);  // ∂L/∂d
  return {-(1 - smoothing) * log_sigmoid(d) - smoothing * log_sigmoid(-d), beta * by, -beta * by, d};
}
/// chosen, rejected: log π, each divided by the number of its tokens. Derivatives are by these means. An answer that is
/// as sure as a float can say counts as a little less: its odds would have no end.
inline PairLoss orpo_loss(double chosen, double rejected, double beta) {
  chosen = std::fmin(chosen, -1e-7);
  rejected = std::fmin(rejected, -1e-7);
  const double d = (chosen - log1mexp(chosen)) - (rejected - log1mexp(rejected));
  const double by = -beta * sigmoid(-d);  // ∂L/∂d, and ∂log odds/∂ℓ = 1 / (1 − e^ℓ)
  return {-chosen - beta * log_sigmoid(d), -1 - by / std::expm1(chosen), by / std::expm1(rejected), d};
}
/// A loss of one answer and its derivative by log π.
struct AnswerLoss {
  double loss = 0, by = 0;
};
/// r: log π/π_ref; weight: λ_D or λ_U.
inline AnswerLoss kto_loss(bool good, double r, double z, double beta, double weight = 1) {
  const double s = sigmoid(good ? beta * (r - z) : beta * (z - r)), slope = weight * beta * s * (1 - s);
  return {weight * (1 - s), good ? -slope : slope};
}

enum class preference : int { dpo, orpo, kto };

struct PreferenceOptions {
  preference rule = preference::dpo;
  double beta = 0.1, smoothing = 0;       ///< smoothing: of DPO
  double desirable = 1, undesirable = 1;  ///< KTO's λ_D and λ_U
  int batch = 8;                          ///< examples of an update
  AdamWOptions adamw{};
};

/// A prompt with its answers as ids, ~id for tokens that are read and do not count. KTO's have one answer, `chosen`,
/// and say whether it is good.
struct PreferenceExample {
  std::vector<int> chosen{}, rejected{};
  bool good = true;
};

/// A run on preferences in steps. The reference is the model as the run begins: an adapter that starts as zeros
/// (blocks/lora.hpp) needs no second model, and its numbers are computed once, for all examples.
template <class T> class PreferenceTrainer {
 public:
  /// Means over examples. right: the share in which the better answer is ahead of what the loss compares it with.
  struct Seen {
    double loss = 0, right = 0, margin = 0, gradient_norm = 0;
  };

  /// The first `trains` examples train. Allocates all that a step needs.
  PreferenceTrainer(T& model, std::vector<PreferenceExample> examples, std::size_t trains, PreferenceOptions const& o)
      : model_(model), all_(std::move(examples)), trains_(trains), o_(o) {
    if (trains_ < 1 || trains_ > all_.size() || o_.batch < 1)
      fail("prefer", std::to_string(trains_) + " examples, " + std::to_string(o_.batch) + " in a batch",
           "at least 1 of each");
    std::size_t longest = 2;
    const auto see = [&longest](std::vector<int> const& ids) { longest = ids.size() > longest ? ids.size() : longest; };
    if (o_.rule == preference::kto)
      for (std::size_t i = 0; i < all_.size(); ++i) all_[i].rejected = mismatched(i);
    for (auto const& e : all_) {
      if (counted(e.chosen) == 0 || counted(e.rejected) == 0)
        fail("prefer", "an answer without a token", "at least one");
      see(e.chosen);
      see(e.rejected);
    }
    tokens_.resize(longest);
    targets_.resize(longest);
    losses_.resize(longest);
    const Shape shape{.sequences = 1, .length = static_cast<int>(longest) - 1};
    model_.prepare_training(shape);
    model_.prepare_inference(shape);
    model_.weigh_side_losses({{"*", 0}});  // they would be of one answer, with its sign
    if (o_.rule == preference::orpo) return;
    for (auto const& e : all_) reference_.emplace_back(log_p(e.chosen), log_p(e.rejected));
  }

  /// An update on a batch that is drawn from (the model's seed, i), with replacement.
  Seen step(std::uint64_t i, double lr) {
    std::vector<std::size_t> batch;
    batch.reserve(static_cast<std::size_t>(o_.batch));
    const Key key = Key{model_.seed_value(), 0}.child(0x70726566).child(i);
    for (int s = 0; s < o_.batch; ++s)
      batch.push_back(key.words(static_cast<std::uint64_t>(s))[0] * std::uint64_t{trains_} >> 32);
    Seen seen = pass(batch, true);
    AdamWOptions adamw = o_.adamw;
    adamw.lr = lr;
    const UpdateReport u = model_.update(adamw);
    seen.gradient_norm = u.gradient_norm;
    if (u.not_finite >= 0 || !(seen.loss - seen.loss == 0))
      fail("prefer", "step " + std::to_string(i) + " has loss " + std::to_string(seen.loss), "finite numbers",
           "would a lower learning rate help?");
    return seen;
  }
  /// Adds the gradients of the mean loss of some examples.
  Seen accumulate(std::vector<std::size_t> const& batch) { return pass(batch, true); }
  /// What examples [from, to) are worth now, a batch at a time.
  Seen evaluate(std::size_t from, std::size_t to) {
    Seen all;
    for (std::size_t at = from; at < to;) {
      std::vector<std::size_t> batch;
      for (; at < to && batch.size() < static_cast<std::size_t>(o_.batch); ++at) batch.push_back(at);
      const Seen s = pass(batch, false);
      const double share = static_cast<double>(batch.size()) / static_cast<double>(to - from);
      all.loss += share * s.loss;
      all.right += share * s.right;
      all.margin += share * s.margin;
    }
    return all;
  }
  std::size_t trains() const { return trains_; }
  std::size_t count() const { return all_.size(); }

 private:
  static int counted(std::vector<int> const& ids) {
    int n = 0;
    for (std::size_t i = 1; i < ids.size(); ++i) n += ids[i] >= 0;
    return n;
  }
  static std::vector<int> prompt_of(PreferenceExample const& e) {
    std::vector<int> ids;
    for (const int id : e.chosen)
      if (id < 0) ids.push_back(id);
    return ids;
  }
  /// The prompt of an example and the answer of the nearest one before it with another prompt, of which the model reads
  /// the beginning.
  std::vector<int> mismatched(std::size_t i) const {
    std::vector<int> ids = prompt_of(all_[i]);
    std::size_t other = i;
    do other = (other + all_.size() - 1) % all_.size();
    while (other != i && prompt_of(all_[other]) == ids);
    if (other == i)
      fail("preference", "one prompt in all examples", "two or more: kto compares with answers to others");
    for (const int id : all_[other].chosen)
      if (id >= 0) ids.push_back(id);
    constexpr int most = context_of<typename T::model>;
    if (most != unbounded && ids.size() > static_cast<std::size_t>(most) + 1)
      ids.resize(static_cast<std::size_t>(most) + 1);
    return ids;
  }
  Batch batch_of(std::vector<int> const& ids) {
    const int n = static_cast<int>(ids.size()) - 1;
    window(Tokens(ids.data(), ids.size(), T::model::vocab), 0, n, tokens_.data(), targets_.data());
    return Batch::uniform(1, n, tokens_.data(), targets_.data());
  }
  double log_p(std::vector<int> const& ids) {
    const Batch b = batch_of(ids);
    model_.losses(b, losses_.data());
    double sum = 0;
    for (int r = 0; r < b.rows; ++r) sum -= static_cast<double>(losses_[static_cast<std::size_t>(r)]);
    return sum;
  }
  /// Adds `by` times the gradient of log π(ids): that of the mean loss of its tokens, times their number, negated.
  void add_gradient(std::vector<int> const& ids, double by) { model_.accumulate(batch_of(ids), -by * counted(ids)); }

  Seen pass(std::vector<std::size_t> const& batch, bool learns) {
    const double share = 1 / static_cast<double>(batch.size());
    Seen seen;
    double z = 0;
    if (o_.rule == preference::kto) {
      for (const std::size_t i : batch) z += share * (log_p(all_[i].rejected) - reference_[i].second);
      z = std::fmax(z, 0);
    }
    for (const std::size_t i : batch) {
      PreferenceExample const& e = all_[i];
      const double chosen = log_p(e.chosen);
      PairLoss l;
      if (o_.rule == preference::kto) {
        const double r = chosen - reference_[i].first;
        const AnswerLoss a = kto_loss(e.good, r, z, o_.beta, e.good ? o_.desirable : o_.undesirable);
        l = {a.loss, a.by, 0, o_.beta * (e.good ? r - z : z - r)};
      } else if (o_.rule == preference::dpo) {
        l = dpo_loss(chosen - reference_[i].first, log_p(e.rejected) - reference_[i].second, o_.beta, o_.smoothing);
      } else {
        const double n = counted(e.chosen), m = counted(e.rejected);
        l = orpo_loss(chosen / n, log_p(e.rejected) / m, o_.beta);
        l.by_chosen /= n;
        l.by_rejected /= m;
      }
      seen.loss += share * l.loss;
      seen.margin += share * l.margin;
      seen.right += l.margin > 0 ? share : 0;
      if (!learns) continue;
      add_gradient(e.chosen, share * l.by_chosen);
      if (o_.rule != preference::kto) add_gradient(e.rejected, share * l.by_rejected);
    }
    return seen;
  }

  T& model_;
  std::vector<PreferenceExample> all_;
  std::size_t trains_;
  PreferenceOptions o_;
  std::vector<std::pair<double, double>> reference_{};
  std::vector<int> tokens_{}, targets_{};
  std::vector<float> losses_{};
};

}  // namespace fauna::inline v0
