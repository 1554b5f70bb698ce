// From logits to a token: temperature, then top-k, then top-p (Holtzman et al. 2020, "The curious case of neural text
// degeneration", section 3.1), the order in which Hugging Face's generate applies them. The draw is a pure function of
// the logits, the key and the position, so a text does not depend on threads or on what was sampled before.
//
//   V  vocabulary      l[V] logits      w[i] = exp((l[i] - max l) / temperature)
#pragma once
#include <cmath>
#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include <fauna/core/error.hpp>
#include <fauna/core/rng.hpp>

namespace fauna::inline v0 {

struct Sampling {
  float temperature = 1;  ///< 0: always the largest logit
  int top_k = 0;          ///< keep the k largest; 0: all
  float top_p = 1;        ///< keep the largest until their probabilities reach p; 1: all
};

/// Draws tokens from rows of V logits. Its memory, 8 V bytes, is allocated here and never again. Equal logits rank by
/// index, the lower first, so exactly k tokens survive top-k.
class Sampler {
 public:
  explicit Sampler(int vocab, Sampling how = {}) : how_(how) {
    if (vocab < 1) fail("sampling", "a vocabulary of " + std::to_string(vocab), "at least 1");
    if (!(how.temperature >= 0 && std::isfinite(how.temperature)))
      fail("sampling", "temperature " + std::to_string(how.temperature), "0 (greedy) or a positive number");
    if (how.top_k < 0) fail("sampling", "top-k " + std::to_string(how.top_k), "0 (off) or a positive number");
    if (!(how.top_p > 0 && how.top_p <= 1)) fail("sampling", "top-p " + std::to_string(how.top_p), "in (0, 1]");
    weight_.resize(static_cast<std::size_t>(vocab));
    order_.resize(static_cast<std::size_t>(vocab));
  }

  /// The next token for logits[V]. -inf forbids a token; NaN, +inf or nothing but -inf is an error.
  int operator()(const float* logits, Key key, std::uint64_t position) {
    const int best = largest(logits);
    if (how_.temperature == 0) {
      order_[0] = best;
      kept_ = 1;
      return best;
    }
    const double total = keep(logits, logits[best]);
    const Philox r = key.words(position);
    const std::uint64_t bits = (std::uint64_t{r[1]} << 32 | r[0]) >> 11;
    double left = static_cast<double>(bits) * 0x1p-53 * total;
    int chosen = -1;
    for (int i = 0; i < kept_ && left >= 0; ++i)  // rounding may leave a rest at the end: then it is the last possible
      if (weight(kept(i)) > 0) {
        chosen = kept(i);
        left -= weight(chosen);
      }
    return chosen;
  }

  /// How many tokens the last draw chose among, and which: by rank where top-k or top-p was at work, else by index.
  int kept() const { return kept_; }
  int kept(int i) const { return order_[static_cast<std::size_t>(i)]; }

 private:
  double weight(int token) const { return static_cast<double>(weight_[static_cast<std::size_t>(token)]); }
  int vocab() const { return static_cast<int>(order_.size()); }

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

  /// Fills weight_ and the first kept_ of order_; the sum of the kept weights.
  double keep(const float* logits, float top) {
    const int n = vocab();
    double total = 0;
    for (int i = 0; i < n; ++i) {
      const auto at = static_cast<std::size_t>(i);
      weight_[at] = std::exp((logits[i] - top) / how_.temperature);
      order_[at] = i;
      total += weight(i);
    }
    kept_ = n;
    const bool some_k = how_.top_k > 0 && how_.top_k < n, some_p = how_.top_p < 1;
    if (!some_k && !some_p) return total;

    // A heap sort that stops early: the largest come off the heap one by one and gather, in falling order, at the end.
    const auto before = [logits](int a, int b) { return logits[a] > logits[b] || (logits[a] == logits[b] && a < b); };
    for (int root = n / 2; root-- > 0;) sink(root, n, before);
    int heap = n;
    const auto pop = [&] {
      std::swap(order_[0], order_[static_cast<std::size_t>(--heap)]);
      sink(0, heap, before);
      return weight(order_[static_cast<std::size_t>(heap)]);
    };
    if (some_k) {
      total = 0;
      for (int i = 0; i < how_.top_k; ++i) total += pop();
    }
    if (some_p) {
      const double enough = static_cast<double>(how_.top_p) * total;
      int taken = 0;
      double sum = 0;
      while (taken < (some_k ? how_.top_k : n) && sum < enough) {
        sum += some_k ? weight(order_[static_cast<std::size_t>(n - 1 - taken)]) : pop();
        ++taken;
      }
      total = sum;
      kept_ = taken;
    } else {
      kept_ = how_.top_k;
    }
    for (int i = 0, j = n - 1; i < j; ++i, --j)
      std::swap(order_[static_cast<std::size_t>(i)], order_[static_cast<std::size_t>(j)]);
    return total;
  }

  /// Restores the heap order_[0, size) below `root`: no token stands under one that comes after it.
  template <class Before> void sink(int root, int size, Before before) {
    for (int child = 2 * root + 1; child < size; child = 2 * root + 1) {
      const auto at = [this](int i) -> int& { return order_[static_cast<std::size_t>(i)]; };
      if (child + 1 < size && before(at(child + 1), at(child))) ++child;
      if (!before(at(child), at(root))) return;
      std::swap(at(child), at(root));
      root = child;
    }
  }

  Sampling how_;
  std::vector<float> weight_;
  std::vector<int> order_;
  int kept_ = 0;
};

}  // namespace fauna::inline v0
