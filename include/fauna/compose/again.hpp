// Again<B>: what B gives to the next block of a Seq is not kept for the backward pass, which runs B again in its place.
#pragma once
#include <fauna/compose/children.hpp>
#include <fauna/core/block.hpp>
#include <fauna/core/concepts.hpp>
#include <fauna/core/fault.hpp>

namespace fauna::inline v0 {

/// B, for blocks without a state whose forward pass costs little beside the memory of what they give: a norm, an
/// activation. Elsewhere than before another block of a Seq it is B itself.
template <Block B> struct Again : B {
  using composition = Again;
  using children = Children<B>;
  template <class... New> using with = Again<New...>;
  static std::string child_name(std::size_t) { return "run again"; }
  static constexpr bool runs_again = true;
};
template <class B> struct bare_<Again<B>> : bare_<B> {};

template <class B> inline constexpr bool runs_again = false;
template <class B>
requires requires { B::runs_again; }
inline constexpr bool runs_again<B> = B::runs_again;
template <label N, class B> inline constexpr bool runs_again<At<N, B>> = runs_again<B>;

}  // namespace fauna::inline v0
