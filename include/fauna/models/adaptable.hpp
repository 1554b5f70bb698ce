// adaptable<M>: the model M with weights that adapters may stand beside, chosen by sequence (blocks/adapted.hpp). In
// memory and without an adapter it is M. decode/adapters.hpp puts adapters there.
//   Loaded<adaptable<SmolLm2_135M>, Cpu<>>
#pragma once
#include <string>

#include <fauna/blocks/adapted.hpp>
#include <fauna/compose/rewrite.hpp>

namespace fauna::inline v0 {

/// A block whose parts see rows in another order than the call's, and so without their sequences: experts.
template <class B>
concept ReordersRows = requires {
  typename B::mixture;
};

struct TakeAdapters {
  static std::string text() { return "adaptable"; }
  template <class B> static constexpr auto replace() {
    if constexpr (is_linear<B>) return std::type_identity<Adapted<B>>{};
    else if constexpr (ReordersRows<B>) return std::type_identity<B>{};
  }
};

template <class M> using adaptable = rewrite<M, TakeAdapters>;

}  // namespace fauna::inline v0
