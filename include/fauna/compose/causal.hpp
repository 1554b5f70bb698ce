// Causality: does what a block gives for a row depend on that row and those before it alone? A block that lets later
// rows in, or other sequences, says so:  static constexpr bool causal = false;  a combinator is as causal as its parts,
// and a leaf that says nothing is causal. A model that predicts the next token is made of causal blocks, or its loss
// would be of tokens that it has seen, and a text read row by row another than one read at once.
#pragma once
#include <type_traits>

#include <fauna/compose/children.hpp>
#include <fauna/core/fault.hpp>

namespace fauna::inline v0 {

/// What can be wrong: a block of a decoder in which rows see what comes after them, or what stands beside them.
template <class Block> struct decoder_is_not_causal;

template <class B> struct acausal_;
template <class Parts> struct acausal_part_ { using type = void; };
template <class... Bs> struct acausal_part_<Children<Bs...>> : first_fault_<typename acausal_<Bs>::type...> {};

template <class B> struct acausal_ { using type = void; };
template <class B>
requires requires { B::causal; }
struct acausal_<B> {
  using type = std::conditional_t<B::causal, void, B>;
};
template <class B>
requires(Composite<B> && !requires { B::causal; }) struct acausal_<B> : acausal_part_<typename B::children> {
};

/// The first part of B that is not causal, or void.
template <class B> using acausal_part = typename acausal_<B>::type;
template <class B> inline constexpr bool is_causal = std::is_void_v<acausal_part<B>>;

template <class Part> struct causal_fault_ { using type = decoder_is_not_causal<bare<Part>>; };
template <> struct causal_fault_<void> { using type = void; };
/// The fault of a decoder made of these.
template <class... Bs> using causal_fault = typename causal_fault_<typename acausal_part_<Children<Bs...>>::type>::type;

}  // namespace fauna::inline v0
