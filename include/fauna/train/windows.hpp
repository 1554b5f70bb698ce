// Windows into a text, for what learns from any of them.
#pragma once
#include <string>
#include <vector>

#include <fauna/core/error.hpp>
#include <fauna/core/rng.hpp>

namespace fauna::inline v0 {

/// Where the windows of each step begin: anywhere, each drawn by a key of its own; or on a grid, at multiples of their
/// length, all of them once an epoch, in an order of the epoch's own.
class Windows {
 public:
  /// Of `length` tokens that `beyond` more stand behind, in a text of so many. Throws where there is none.
  Windows(const char* who, std::size_t tokens, int length, int beyond, Key key, bool grid = false)
      : key_(key), length_(grid ? static_cast<std::size_t>(length) : 1) {
    const int anywhere = static_cast<int>(tokens) - length - beyond;
    if (anywhere < 1)
      fail(who, "a text of " + std::to_string(tokens) + " tokens", "more than " + std::to_string(length + beyond));
    windows_ = static_cast<std::uint32_t>(anywhere);
    if (grid) order_.resize((windows_ - 1) / length_ + 1);
  }
  /// Of a step, as many as there is room for, which is as many in every step.
  void starts(int step, std::vector<std::size_t>& to) {
    const Key draws = key_.child(static_cast<std::uint64_t>(step));
    for (std::size_t s = 0; s < to.size(); ++s)
      to[s] = order_.empty() ? draws.child(s).word(0) % windows_
                             : length_ * visited(static_cast<std::size_t>(step) * to.size() + s);
  }

 private:
  /// The n-th window that is visited: the epochs' orders one behind the other (Fisher and Yates).
  std::size_t visited(std::size_t n) {
    const std::size_t epoch = n / order_.size();
    if (epoch != epoch_) {
      const Key draws = key_.child(0x65706f6368).child(epoch);
      for (std::size_t i = 0; i < order_.size(); ++i) {
        const std::size_t j = draws.word(i) % (i + 1);
        order_[i] = order_[j];
        order_[j] = i;
      }
      epoch_ = epoch;
    }
    return order_[n % order_.size()];
  }

  Key key_;
  std::size_t length_;  ///< of the grid
  std::uint32_t windows_ = 0;
  std::vector<std::size_t> order_{};  ///< of an epoch's windows; empty: they begin anywhere
  std::size_t epoch_ = ~std::size_t{0};
};

}  // namespace fauna::inline v0
