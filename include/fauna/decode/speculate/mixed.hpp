// Two drafters, the cheap one first.
#pragma once
#include <fauna/decode/speculate/drafter.hpp>

namespace fauna::inline v0 {

/// What the first drafter proposes, or where that is nothing, the second: n-grams before a model, say.
template <Drafter First, Drafter Second> class Mixed {
 public:
  Mixed(First first, Second second) : first_(static_cast<First&&>(first)), second_(static_cast<Second&&>(second)) {}

  int vocab() const requires requires(Second const& d) { d.vocab(); }
  { return second_.vocab(); }
  template <class F> void propose(std::vector<int>& text, int most, F&& draw) {
    const std::size_t before = text.size();
    first_.propose(text, most, draw);
    if (text.size() == before) second_.propose(text, most, draw);
  }

 private:
  First first_;
  Second second_;
};

}  // namespace fauna::inline v0
