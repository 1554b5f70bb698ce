// From logits to a token: repetition penalty (Keskar et al. 2019, "CTRL", section 4.1), temperature, top-k, top-p
// (Holtzman et al. 2020, "The curious case of neural text degeneration", section 3.1), min-p (Nguyen et al. 2024), the
// order in which Hugging Face's generate applies them. Among the tokens kept one is drawn by the Gumbel-max trick
// (Maddison et al. 2014, "A* sampling", section 2) with noise that belongs to (key, position, token):
//
//   V  vocabulary      l[V] logits      w[i] = exp((l[i] - max l) / temperature)
//   token = argmax_i log w[i] + G_i,  G_i = -log E_i,  E_i standard exponential:  P(i) = w[i] / sum of w
//
// So a text does not depend on threads or on what was sampled before; and logits that differ a little, another model's
// say, mostly draw the same token at the same position, which is what drafts live on (decode/speculate).
#pragma once
#include <cmath>
#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include <fauna/core/error.hpp>
#include <fauna/core/rng.hpp>
#include <fauna/ops/draw_tokens/op.hpp>

namespace fauna::inline v0 {

/// Which tokens may follow a text, by what the text is.
class TokenRule {
 public:
  virtual ~TokenRule() = default;
  /// -inf for the logits [vocab] of tokens that may not follow text[n]. Never of all: what no longer obeys the rule, as
  /// a draft may, or what has come to its end may go on with any.
  virtual void forbid(float* logits, int vocab, const int* text, std::size_t n) = 0;
  /// May nothing follow?
  virtual bool ends(const int* text, std::size_t n) = 0;
};

struct Sampling {
  float temperature = 1;         ///< 0: always the largest logit
  int top_k = 0;                 ///< keep the k largest; 0: all
  float top_p = 1;               ///< keep the largest until their probabilities reach p; 1: all
  float min_p = 0;               ///< keep those at least this part as probable as the largest; 0: all
  float repetition_penalty = 1;  ///< of tokens seen: a positive logit is divided by it, a negative one multiplied
  TokenRule* rule = nullptr;     ///< that texts obey: what was seen is then the whole text
};

/// Draws tokens from rows of V logits. Its memory, 8 V bytes (12 V with a penalty or a rule), is allocated here and
/// never again. Equal logits rank by index, the lower first, so exactly k tokens survive top-k.
class Sampler {
 public:
  explicit Sampler(int vocab, Sampling how = {}) : how_(how) {
    if (vocab < 1) fail("sampling", "a vocabulary of " + std::to_string(vocab), "at least 1");
    if (!(how.temperature >= 0 && std::isfinite(how.temperature)))
      fail("sampling", "temperature " + std::to_string(how.temperature), "0 (greedy) or a positive number");
    if (how.top_k < 0) fail("sampling", "top-k " + std::to_string(how.top_k), "0 (off) or a positive number");
    if (!(how.top_p > 0 && how.top_p <= 1)) fail("sampling", "top-p " + std::to_string(how.top_p), "in (0, 1]");
    if (!(how.min_p >= 0 && how.min_p <= 1)) fail("sampling", "min-p " + std::to_string(how.min_p), "0 (off) to 1");
    if (!(how.repetition_penalty > 0 && std::isfinite(how.repetition_penalty)))
      fail("sampling", "repetition penalty " + std::to_string(how.repetition_penalty), "1 (off) or a positive number");
    if (how.repetition_penalty != 1 || how.rule != nullptr) adjusted_.resize(at(vocab));
    weight_.resize(at(vocab));
    order_.resize(at(vocab));
  }

  /// The next token for logits[V] after the tokens seen[count]. -inf forbids a token; NaN, +inf or nothing but -inf is
  /// an error.
  int operator()(const float* logits, Key key, std::uint64_t position, const int* seen = nullptr,
                 std::size_t count = 0) {
    const int best = weigh(logits, seen, count);
    return how_.temperature == 0 ? best : first(key.child(position));
  }
  /// The law of that draw: p[V], which sum to 1.
  void law(const float* logits, double* p, const int* seen = nullptr, std::size_t count = 0) {
    weigh(logits, seen, count);
    for (int i = 0; i < vocab(); ++i) p[i] = 0;
    for (int i = 0; i < kept_; ++i) p[kept(i)] = probability(i);
  }
  int vocab() const { return static_cast<int>(order_.size()); }

  /// How many tokens the last draw chose among, and which: by rank where top-k or top-p was at work, else by index.
  int kept() const { return kept_; }
  int kept(int i) const { return order_[at(i)]; }
  /// The probability that kept(i) had.
  double probability(int i) const { return weight(kept(i)) / total_; }

 private:
  static constexpr std::size_t at(int i) { return static_cast<std::size_t>(i); }
  double weight(int token) const { return static_cast<double>(weight_[at(token)]); }

  /// Fills the tokens kept, their weights and the sum of those; the largest logit's token.
  int weigh(const float* logits, const int* seen, std::size_t count) {
    if (!adjusted_.empty()) {
      adjusted_.assign(logits, logits + vocab());
      for (std::size_t i = 0; i < count && how_.repetition_penalty != 1; ++i)
        if (seen[i] < vocab()) {
          const float l = logits[seen[i]];  // not the penalised one: a token seen twice is penalised once
          adjusted_[at(seen[i])] = l > 0 ? l / how_.repetition_penalty : l * how_.repetition_penalty;
        }
      if (how_.rule != nullptr) how_.rule->forbid(adjusted_.data(), vocab(), seen, count);
      logits = adjusted_.data();
    }
    const int best = largest(logits);
    if (how_.temperature == 0) {
      order_[0] = best;
      kept_ = 1;
      weight_[at(best)] = 1;
      total_ = 1;
    } else {
      total_ = keep(logits, logits[best]);
    }
    return best;
  }

  /// argmax log w - log E is the token that comes first when i comes at the time E_i / w_i (ops/draw_tokens). E is no
  /// less than v: who is too late by that needs no logarithm. The parts change the probability p of a token by some
  /// (2^-32 / p)^2 / 24 of it.
  int first(Key noise) const {
    Philox r{};
    int chosen = -1, block = -1;
    double earliest = 0;
    for (int i = 0; i < kept_; ++i) {
      const int token = kept(i);
      const double w = weight(token);
      if (!(w > 0)) continue;
      if (token / 4 != block) r = noise.words(static_cast<std::uint64_t>(block = token / 4));
      const double v = draw_part(r[static_cast<std::size_t>(token % 4)]);
      if (chosen >= 0 && v >= earliest * w) continue;
      const double time = -std::log1p(-v) / w;
      if (chosen >= 0 && time >= earliest) continue;
      earliest = time;
      chosen = token;
    }
    return chosen;
  }

  int largest(const float* logits) const {
    int best = 0;
    for (int i = 0; i < vocab(); ++i) {
      if (std::isnan(logits[i])) fail("sampling", "logit " + std::to_string(i) + " is NaN", "numbers");
      if (logits[i] > logits[best]) best = i;
    }
    if (!std::isfinite(logits[best]))
      fail("sampling", std::string("the largest logit is ") + (logits[best] > 0 ? "+inf" : "-inf"), "a finite one");
    return best;
  }

  /// Fills the first kept_ of order_ and their weights; the sum of those.
  double keep(const float* logits, float top) {
    const int n = vocab();
    const bool some_k = how_.top_k > 0 && how_.top_k < n, some_p = how_.top_p < 1;
    const auto before = [logits](int a, int b) { return logits[a] > logits[b] || (logits[a] == logits[b] && a < b); };
    const int found = some_k ? first_k(n, before) : all(n);
    double total = 0;
    for (int i = 0; i < found; ++i) {
      const int token = order_[at(i)];
      weight_[at(token)] = std::exp((logits[token] - top) / how_.temperature);
      total += weight(token);
    }
    kept_ = found;
    if (!some_k && !some_p) return how_.min_p > 0 ? without_unlikely() : total;

    // A heap sort that stops early: the first by rank come off the heap one by one and gather, last to first, at its
    // end.
    const double enough = some_p ? static_cast<double>(how_.top_p) * total : 2 * total;
    const int size = some_p ? without_tail(found, (total - enough) / (2.0 * n)) : found;
    for (int root = size / 2; root-- > 0;) sink(root, size, before);
    double sum = 0;
    int heap = size;
    while (heap > 0 && sum < enough) {
      std::swap(order_[0], order_[at(--heap)]);
      sink(0, heap, before);
      sum += weight(order_[at(heap)]);
    }
    kept_ = size - heap;
    for (int i = 0, j = size - 1; i < j; ++i, --j) std::swap(order_[at(i)], order_[at(j)]);
    return how_.min_p > 0 ? without_unlikely() : sum;
  }
  /// min-p: drops what is lighter than min_p times the heaviest, whose weight is 1; the sum of the rest.
  double without_unlikely() {
    double sum = 0;
    int rest = 0;
    for (int i = 0; i < kept_; ++i)
      if (const int token = order_[at(i)]; weight(token) >= static_cast<double>(how_.min_p)) {
        order_[at(rest++)] = token;
        sum += weight(token);
      }
    kept_ = rest;
    return sum;
  }

  int all(int n) {
    for (int i = 0; i < n; ++i) order_[at(i)] = i;
    return n;
  }
  /// Gathers the first k tokens by rank, in any order. The last of those found so far is the root of a heap of them.
  template <class Before> int first_k(int n, Before before) {
    const int k = how_.top_k;
    const auto after = [before](int a, int b) { return before(b, a); };
    all(k);
    for (int root = k / 2; root-- > 0;) sink(root, k, after);
    for (int i = k; i < n; ++i)
      if (before(i, order_[0])) {
        order_[0] = i;
        sink(0, k, after);
      }
    return k;
  }
  /// Drops tokens lighter than `least` from the first n. V tokens of weight (1 - p) / V of the total and less have
  /// together at most 1 - p of it, so top-p is reached before the first of them; half of that leaves room for rounding.
  int without_tail(int n, double least) {
    int rest = 0;
    for (int i = 0; i < n; ++i)
      if (weight(order_[at(i)]) >= least) order_[at(rest++)] = order_[at(i)];
    return rest;
  }

  /// Restores the heap order_[0, size) below `root`: no token stands under one that comes after it.
  template <class Before> void sink(int root, int size, Before before) {
    for (int child = 2 * root + 1; child < size; child = 2 * root + 1) {
      if (child + 1 < size && before(order_[at(child + 1)], order_[at(child)])) ++child;
      if (!before(order_[at(child)], order_[at(root)])) return;
      std::swap(order_[at(child)], order_[at(root)]);
      root = child;
    }
  }

  Sampling how_;
  std::vector<float> weight_, adjusted_;
  std::vector<int> order_;
  int kept_ = 0;
  double total_ = 1;  ///< of the weights kept
};

}  // namespace fauna::inline v0
