// What a combinator publishes of its parts, once: explain walks them, rewrites map over them (compose/rewrite.hpp).
//   using composition = Seq;                            itself; a named block, struct Layer : Seq<...>, inherits it
//   using children = Children<A, B>;                    its parts, in order
//   template <class... New> using with = Seq<New...>;   the same combinator over other parts
//   static std::string child_name(std::size_t i);       what explain calls part i; without it, nothing
// One that derives from its part states all that the part might.
#pragma once
#include <type_traits>

#include <fauna/core/version.hpp>

namespace fauna::inline v0 {

template <class... Bs> struct Children {};

/// A block that is made of others: a combinator, or a name for one.
template <class B>
concept Composite = requires {
  typename B::composition;
  typename B::children;
};
/// A name for a composition: it has all of that, and a name in errors and symbols.
template <class B>
concept Named = Composite<B> && !std::is_same_v<typename B::composition, B>;

}  // namespace fauna::inline v0
