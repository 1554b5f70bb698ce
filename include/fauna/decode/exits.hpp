// Where a trunk can be left before its last layer.
#pragma once
#include <string>

#include <fauna/compose/children.hpp>
#include <fauna/core/concepts.hpp>
#include <fauna/core/tuple.hpp>

namespace fauna::inline v0 {

/// Does a state forget rows by counting them? Keys and values do, of windows the last `rewindable` rows: further back,
/// the text is read again. What has one size for all rows goes back by a policy (decode/speculate/rewind.hpp).
template <class M> inline constexpr bool forgets_rows = state_bytes<M>(Shape{.sequences = 1, .context = 0}) == 0;

/// A trunk can be left after so many layers of its only Stack, or a round's multiple of that.
struct Exits {
  int layers = 0;                  ///< in all
  int round = 1;                   ///< layers of the Stack's pattern
  const char* why_none = nullptr;  ///< where there are none

  /// Throws for layers after which there is none.
  void check(int after) const {
    if (why_none != nullptr)
      fail("early exit", std::string("a model with ") + why_none, "attention layers in one stack");
    if (after < 1 || after >= layers || after % round != 0)
      fail("early exit", "an exit after " + std::to_string(after) + " layers",
           "1 to " + std::to_string(layers - 1) + ", as the model has " + std::to_string(layers),
           round > 1 ? "whole rounds of " + std::to_string(round) : "");
  }
};

namespace exits_detail {

struct Stacks {
  int count = 0, rounds = 0, pattern = 1;
};
/// The Stacks of a block that are in no other.
template <class B> constexpr Stacks stacks_of();
template <class... Bs> constexpr Stacks stacks_of(Children<Bs...>) {
  Stacks all;
  const auto add = [&all](Stacks s) {
    all.count += s.count;
    if (s.count > 0) all.rounds = s.rounds, all.pattern = s.pattern;
  };
  (add(stacks_of<Bs>()), ...);
  return all;
}
template <class B> constexpr Stacks stacks_of() {
  if constexpr (requires {
                  typename B::Round;
                  B::pattern;
                })
    return {1, B::layers / B::pattern, B::pattern};
  else if constexpr (Composite<B>) return stacks_of(typename B::children{});
  else return {};
}
template <class E, class Trunk, class... Rest> constexpr Stacks of_trunk(Children<E, Trunk, Rest...>) {
  return stacks_of<Trunk>();
}

}  // namespace exits_detail

template <class M> constexpr Exits exits_of() {
  if constexpr (Composite<M>) {
    const auto s = exits_detail::of_trunk(typename M::children{});
    Exits e{.layers = s.rounds * s.pattern, .round = s.pattern};
    if (!forgets_rows<M>) e.why_none = "a state of one size, which cannot forget the rows of a draft,";
    else if (s.count != 1) e.why_none = "layers of kinds that stand in stacks of their own";
    return e;
  } else {
    return {.why_none = "layers on several ranks, or of no known kind,"};
  }
}

}  // namespace fauna::inline v0
