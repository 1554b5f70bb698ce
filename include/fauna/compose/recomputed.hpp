// recomputed<M>: the model M with Recompute around each layer of each of its stacks. Training leaves the same bits
// in less memory and more time, and its checkpoints are M's.
#pragma once
#include <string>

#include <fauna/compose/recompute.hpp>
#include <fauna/compose/rewrite.hpp>
#include <fauna/compose/stack.hpp>

namespace fauna::inline v0 {

template <class B> inline constexpr bool is_stack = false;
template <int First, int Rounds, class... Ls> inline constexpr bool is_stack<Stack<First, Rounds, Ls...>> = true;

struct RecomputeLayers {
  static std::string text() { return "recomputed"; }
  static constexpr bool original_checkpoints = true;
  struct Around {
    template <class Layer> static constexpr auto replace() { return std::type_identity<Recompute<Layer>>{}; }
  };
  template <class B> static constexpr auto replace() {
    if constexpr (is_stack<B>) return children_mapped_<Around, B>{};
  }
};

template <class M> using recomputed = rewrite<M, RecomputeLayers>;

}  // namespace fauna::inline v0
