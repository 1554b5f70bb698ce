// checkpointed<M>: the model M with Checkpoint around each layer of each of its stacks. Training leaves the same bits
// in less memory and more time.
#pragma once
#include <string>

#include <fauna/compose/checkpoint.hpp>
#include <fauna/compose/rewrite.hpp>
#include <fauna/compose/stack.hpp>

namespace fauna::inline v0 {

template <class B> inline constexpr bool is_stack = false;
template <int First, int Rounds, class... Ls> inline constexpr bool is_stack<Stack<First, Rounds, Ls...>> = true;

struct CheckpointLayers {
  static std::string text() { return "checkpointed"; }
  struct Around {
    template <class Layer> static constexpr auto replace() { return std::type_identity<Checkpoint<Layer>>{}; }
  };
  template <class B> static constexpr auto replace() {
    if constexpr (is_stack<B>) return children_mapped_<Around, B>{};
  }
};

template <class M> using checkpointed = rewrite<M, CheckpointLayers>;

}  // namespace fauna::inline v0
