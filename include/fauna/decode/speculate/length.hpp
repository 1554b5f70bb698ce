// How long a draft pays, from what passes took and what of drafts stayed (Leviathan et al. 2023, section 3.3, with
// measured times for the assumed ones).
//   t(M)  seconds of a pass over M rows      c  seconds of a drafted token       of several texts: of each, for all
//   α_i   how often the draft's token i stays where all before it did
//   γ     = argmax (1 + Σ_{i ≤ γ} Π_{j ≤ i} α_j) / (t(γ + 1) + γ c),  0 included: plain decoding
#pragma once
#include <cmath>
#include <string>
#include <vector>

#include <fauna/core/error.hpp>

namespace fauna::inline v0 {

/// What a step came to.
struct DraftStep {
  int drafted = 0, accepted = 0;  ///< tokens
  double draft_seconds = 0;       ///< to propose them
  double pass_seconds = 0;        ///< of the pass over drafted + 1 rows; 0: it read other rows too, and tells nothing
};

/// Chooses the length of the next draft. Where drafts do not pay it chooses 0, and looks again after some steps, then
/// after twice as many, up to a limit: a look costs little, and texts change.
class DraftLength {
 public:
  explicit DraftLength(int most) : most_(most), seconds_(size(most) + 2), seen_(size(most)), accepted_(size(most)) {
    if (most < 0) fail("draft length", std::to_string(most) + " tokens at most", "0 or more");
  }

  int most() const { return most_; }
  /// Tokens to draft now.
  int next() const { return look_ > 0 && length_ == 0 ? probe_ : length_; }

  /// A pass over so many rows was measured.
  void pass(int rows, double seconds) {
    if (rows < 1 || rows > most_ + 1 || !(seconds > 0)) return;
    double& t = seconds_[size(rows)];
    const double outlier = 3 * t;  // another program had the processor
    t = t > 0 ? t + new_share * ((seconds < outlier ? seconds : outlier) - t) : seconds;
  }
  void add(DraftStep const& s) {
    saw(s.drafted, s.accepted);
    took(s.drafted, s.draft_seconds, s.pass_seconds);
  }
  /// The same for several texts: what came of the draft of each, and what the step took for all, with so many tokens
  /// drafted for each in the mean.
  void saw(int drafted, int accepted) {
    for (int i = 0; i < drafted && i <= accepted && i < most_; ++i) {
      seen_[size(i)] = keep * seen_[size(i)] + 1;
      accepted_[size(i)] = keep * accepted_[size(i)] + (i < accepted);
    }
  }
  void took(double drafted, double draft_seconds, double pass_seconds) {
    pass(1 + static_cast<int>(std::lround(drafted)), pass_seconds);
    if (drafted > 0 && draft_seconds >= 0) {
      const double each = draft_seconds / drafted;
      draft_seconds_ = known_draft_ ? draft_seconds_ + new_share * (each - draft_seconds_) : each;
      known_draft_ = true;
    }
    choose(drafted > 0);
  }
  /// Texts have ended or come: what passes took is no longer what they take.
  void forget_times() {
    for (double& t : seconds_) t = 0;
    known_draft_ = false;
  }

  /// Seconds of a pass over so many rows: measured, or between or as those that were; 0 where nothing was.
  double seconds(int rows) const {
    int below = rows, above = rows;
    while (below > 0 && !measured(below)) --below;
    while (above <= most_ + 1 && !measured(above)) ++above;
    if (below == rows || above > most_ + 1) return below > 0 ? seconds_[size(below)] : 0;
    if (below == 0) return seconds_[size(above)];
    const double from = seconds_[size(below)], to = seconds_[size(above)];
    return from + (to - from) * (rows - below) / (above - below);
  }
  bool measured(int rows) const { return seconds_[size(rows)] > 0; }
  double draft_seconds() const { return draft_seconds_; }
  /// α of place i, from 0 on. A place that was not seen does as the one before.
  double stays(int i) const {
    double a = 0.5;
    for (int k = 0; k <= i; ++k) a = stays_after(a, k);
    return a;
  }

 private:
  static constexpr double new_share = 0.2, keep = 0.98, better = 1.02;
  static constexpr int looks = 3, first_rest = 16, longest_rest = 128;
  static std::size_t size(int n) { return static_cast<std::size_t>(n < 0 ? 0 : n); }
  double stays_after(double before, int i) const { return (accepted_[size(i)] + before) / (seen_[size(i)] + 1); }

  void choose(bool drafted) {
    if (!measured(1)) {  // what drafts are compared with
      length_ = seconds(1) > 0 ? 0 : most_;
      return;
    }
    int best_draft = 0;
    double a = 0.5, all = 1, tokens = 1, fastest = 0;
    for (int l = 1; l <= most_; ++l) {
      tokens += all *= a = stays_after(a, l - 1);
      const double speed = tokens / (seconds(l + 1) + l * draft_seconds_);
      if (speed > fastest) fastest = speed, best_draft = l;
    }
    const int best = fastest * seconds(1) > better ? best_draft : 0;
    if (best > 0) {
      rest_ = 0;
      look_ = 0;
    } else if (length_ > 0 || rest_ == 0) {  // drafts no longer pay
      sleep(first_rest);
    } else if (look_ > 0) {
      look_ -= drafted;
      if (look_ == 0) sleep(2 * rest_ < longest_rest ? 2 * rest_ : longest_rest);
    } else if (--wait_ == 0) {
      for (double* counts : {seen_.data(), accepted_.data()})
        for (int i = 0; i < most_; ++i) counts[i] *= 0.1;  // of a text that has gone on since
      look_ = looks;
      probe_ = best_draft;
    }
    length_ = best;
  }
  void sleep(int steps) {
    rest_ = wait_ = steps;
    look_ = 0;
  }

  int most_;
  std::vector<double> seconds_;          ///< by rows; 0: not measured
  std::vector<double> seen_, accepted_;  ///< by place, the latest counting most
  double draft_seconds_ = 0;
  bool known_draft_ = false;
  int length_ = most_;        ///< chosen
  int rest_ = 0, wait_ = 0;   ///< steps without drafts: in all, and still to go
  int look_ = 0, probe_ = 1;  ///< drafts to look at, and their length
};

}  // namespace fauna::inline v0
