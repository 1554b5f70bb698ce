// Every outcome of a program that takes its chances from noise (decode/speculate/noise.hpp), each with its probability:
// so a rule's law is known to rounding, and no draw is ever made.
#pragma once
#include <algorithm>
#include <cmath>
#include <map>
#include <utility>
#include <vector>

#include <fauna/decode/speculate/noise.hpp>

namespace test {

class Enumeration {
 public:
  /// f(probability of this outcome) after each run of `program`.
  template <class P, class F> void run(P&& program, F&& f) {
    path_.clear();
    do {
      depth_ = 0;
      probability_ = 1;
      known_.clear();
      program();
      f(probability_);
    } while (next());
  }
  /// The outcome whose part of [0, 1) the key's number is in. A number that was asked about before is still in the part
  /// it was in then: noise that is used twice shows.
  int choose(fauna::Law const& w, fauna::Key key) {
    auto& [from, to] = known_.try_emplace({key.seed, key.stream}, 0.0, 1.0).first->second;
    double total = 0, below = 0;
    for (const double x : w) total += x;
    std::vector<Part> parts;
    for (std::size_t i = 0; i < w.size(); ++i) {
      const double a = std::max(from, below / total), b = std::min(to, (below + w[i]) / total);
      if (w[i] > 0 && b > a) parts.push_back({static_cast<int>(i), a, b});
      below += w[i];
    }
    if (depth_ == path_.size()) path_.push_back({0, parts.size()});
    Part const& part = parts[path_[depth_++].first];
    probability_ *= (part.to - part.from) / (to - from);
    from = part.from;
    to = part.to;
    return part.outcome;
  }

 private:
  struct Part {
    int outcome;
    double from, to;
  };
  bool next() {
    while (!path_.empty() && path_.back().first + 1 == path_.back().second) path_.pop_back();
    if (path_.empty()) return false;
    ++path_.back().first;
    return true;
  }

  std::vector<std::pair<std::size_t, std::size_t>> path_{};  ///< of each choice: which part, of how many
  std::size_t depth_ = 0;
  double probability_ = 1;
  std::map<std::pair<std::uint64_t, std::uint64_t>, std::pair<double, double>> known_{};
};

/// In the place of fauna::Noise.
struct Enumerated {
  Enumeration* all;
  int choose(fauna::Law const& w, fauna::Key key) const { return all->choose(w, key); }
  bool happens(double p, fauna::Key key) const {
    const double q = std::min(p, 1.0);
    return all->choose({q, 1 - q}, key) == 0;
  }
};

/// How far two laws are from each other: half the sum of their differences.
template <class K> double total_variation(std::map<K, double> a, std::map<K, double> const& b) {
  for (auto const& [k, p] : b) a[k] -= p;
  double sum = 0;
  for (auto const& [k, p] : a) sum += std::abs(p);
  return 0.5 * sum;
}

}  // namespace test
