// Learning rates over a run: warm up, hold or fall. `schedule(step)` is the rate of the update with that number, the
// first being 0. All of them warm up as nanoGPT does, lr (step + 1) / (warmup + 1), so no update has rate 0.
#pragma once
#include <cmath>
#include <string>

#include <fauna/core/error.hpp>

namespace fauna::inline v0 {

/// nanoGPT's rule, a half cosine (Loshchilov, Hutter 2017, "SGDR", equation 5, without restarts):
///   min + (1 + cos πr) / 2 · (lr - min), r = (step - warmup) / (decay - warmup); min from step `decay` on.
struct Cosine {
  double lr = 1e-3, min = 1e-4;
  long warmup = 100, decay = 2000;
};
/// A straight line from lr at the end of the warm-up to min at step `decay`, and min after it.
struct LinearDecay {
  double lr = 1e-3, min = 0;
  long warmup = 100, decay = 2000;
};
/// Always lr, after the warm-up.
struct Constant {
  double lr = 1e-3;
  long warmup = 0;
};
/// Warm-up, stable, decay: lr, until over the last `fraction` of the `decay` steps it falls to min as
/// lr - (lr - min) √r, r in [0, 1] (Hägele et al. 2024, "Scaling laws and compute-optimal training beyond fixed
/// training durations", equation 2: the form "1 - sqrt").
struct Wsd {
  double lr = 1e-3, min = 0;
  long warmup = 100, decay = 2000;
  double fraction = 0.2;
};

/// Any of them, chosen at run time.
class Schedule {
 public:
  Schedule(Cosine s = {}) : shape_(cosine), lr_(s.lr), min_(s.min), warmup_(s.warmup), from_(s.warmup), to_(s.decay) {
    check();
  }
  Schedule(LinearDecay s) : shape_(linear), lr_(s.lr), min_(s.min), warmup_(s.warmup), from_(s.warmup), to_(s.decay) {
    check();
  }
  Schedule(Constant s) : shape_(constant), lr_(s.lr), min_(s.lr), warmup_(s.warmup), from_(s.warmup), to_(s.warmup) {
    check();
  }
  Schedule(Wsd s) : shape_(wsd), lr_(s.lr), min_(s.min), warmup_(s.warmup), to_(s.decay) {
    if (!(s.fraction >= 0 && s.fraction <= 1)) fail("schedule", "a decay fraction outside [0, 1]");
    from_ = s.decay - std::lround(s.fraction * static_cast<double>(s.decay));
    if (from_ < warmup_) from_ = warmup_;
    check();
  }

  double operator()(long step) const {
    if (step < warmup_) return lr_ * static_cast<double>(step + 1) / static_cast<double>(warmup_ + 1);
    if (step >= to_) return min_;
    if (step < from_) return lr_;
    const double r = static_cast<double>(step - from_) / static_cast<double>(to_ - from_);
    switch (shape_) {
      case cosine: return min_ + 0.5 * (1 + std::cos(3.14159265358979323846 * r)) * (lr_ - min_);
      case linear: return lr_ - r * (lr_ - min_);
      case wsd: return lr_ - std::sqrt(r) * (lr_ - min_);
      case constant: break;
    }
    return lr_;
  }

 private:
  void check() const {
    if (!(lr_ >= 0 && min_ >= 0 && std::isfinite(lr_) && std::isfinite(min_)))
      fail("schedule", "lr = " + std::to_string(lr_) + ", min = " + std::to_string(min_), "finite rates, not negative");
    if (warmup_ < 0 || to_ < warmup_)
      fail("schedule", "a warm-up of " + std::to_string(warmup_) + " steps in " + std::to_string(to_),
           "0 <= warmup <= decay", "shorten the warm-up or train longer");
  }

  enum { cosine, linear, constant, wsd } shape_;
  double lr_, min_;
  long warmup_, from_ = 0, to_;  // full rate on [warmup, from), falling on [from, to), min from `to` on
};

}  // namespace fauna::inline v0
