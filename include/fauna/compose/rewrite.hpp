// rewrite<M, F>: the model or block M with some of its parts replaced, found by their types. F is a type function:
//   struct F {
//     template <class B> static constexpr auto replace();   std::type_identity<New>{} where part B becomes New as it
//                                                           is; nothing (void) where F goes on inside of B
//     static std::string text();                            what a checkpoint of such a model says before its config
//     static constexpr bool original_checkpoints = true;    if it says nothing: its checkpoints are M's
//   };
// F is asked from the outside in, for names and labels too, so that it may know a part by the label around it. It
// reaches through every combinator and named block, and may replace heads and embeddings.
#pragma once
#include <type_traits>

#include <fauna/compose/children.hpp>

namespace fauna::inline v0 {

template <class F, class B> struct mapped_;
/// B after F: B itself, where nothing of it was replaced.
template <class F, class B> using mapped = typename mapped_<F, B>::type;

/// The combinator B with each part after F.
template <class F, class B, class Parts = typename B::children> struct children_mapped_;
template <class F, class B, class... Cs> struct children_mapped_<F, B, Children<Cs...>> {
  using type = typename B::template with<mapped<F, Cs>...>;
};
template <class F, class B> using children_mapped = typename children_mapped_<F, B>::type;

// What a named model says beside its composition.
template <class M> struct KeptConfig {};
template <class M>
requires requires { M::config; }
struct KeptConfig<M> {
  static constexpr auto config = M::config;
};
template <class M> struct KeptDialects {};
template <class M>
requires requires { M::dialects; }
struct KeptDialects<M> {
  static constexpr auto& dialects = M::dialects;
};
template <class M> struct KeptHoldsBeside {};
template <class M>
requires requires { M::holds_beside; }
struct KeptHoldsBeside<M> {
  static constexpr auto& holds_beside = M::holds_beside;
};
template <class M> struct KeptCopies {};
template <class M>
requires requires { M::copies; }
struct KeptCopies<M> {
  static constexpr auto& copies = M::copies;
};
template <class M> struct KeptMayLack {};
template <class M>
requires requires { M::may_lack; }
struct KeptMayLack<M> {
  static constexpr auto& may_lack = M::may_lack;
};

/// The named block Of after F: its composition rewritten, under its name. Its body is not spelled out, since the two
/// say it, and symbols stay short.
template <class Of, class F>
struct Rewritten : mapped<F, typename Of::composition>,
                   KeptConfig<Of>,
                   KeptDialects<Of>,
                   KeptHoldsBeside<Of>,
                   KeptCopies<Of>,
                   KeptMayLack<Of> {
  using original = Of;
  using rewriting = F;
};

template <class F, class B> constexpr auto map_part() {
  using New = decltype(F::template replace<B>());
  if constexpr (!std::is_void_v<New>) {
    return New{};
  } else if constexpr (Named<B>) {
    using Whole = typename B::composition;
    return std::type_identity<std::conditional_t<std::is_same_v<mapped<F, Whole>, Whole>, B, Rewritten<B, F>>>{};
  } else if constexpr (Composite<B>) {
    return children_mapped_<F, B>{};
  } else {
    return std::type_identity<B>{};
  }
}
template <class F, class B> struct mapped_ { using type = typename decltype(map_part<F, B>())::type; };

template <class M, class F> struct rewrite_ {
  using type = mapped<F, M>;
  static_assert(!std::is_same_v<type, M>, "fauna: a rewrite that touches nothing of the model: see M and F");
};
template <class M, class F> using rewrite = typename rewrite_<M, F>::type;

/// The rewrite of M that is for `ranks`, whatever other rewrites stand around it.
template <class M> struct rewriting_for_ranks_ : rewriting_for_ranks_<typename M::original> {};
template <class M>
requires requires { M::rewriting::ranks; }
struct rewriting_for_ranks_<M> {
  using type = typename M::rewriting;
};
template <class M> using rewriting_for_ranks = typename rewriting_for_ranks_<M>::type;

}  // namespace fauna::inline v0
