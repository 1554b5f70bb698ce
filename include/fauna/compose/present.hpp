// Parts of a layer that a family may lack: `void` stands for nothing, and so does a label without text.
#pragma once
#include <fauna/compose/seq.hpp>

namespace fauna::inline v0 {

template <class Found, class... Bs> struct present_;
template <class... Found> struct present_<Children<Found...>> { using type = Seq<Found...>; };
template <class... Found, class B, class... Rest>
struct present_<Children<Found...>, B, Rest...>
    : present_<std::conditional_t<std::is_void_v<B>, Children<Found...>, Children<Found..., B>>, Rest...> {};
/// A Seq of those that are not void.
template <class... Bs> using present = typename present_<Children<>, Bs...>::type;

constexpr bool nameless(label const& name) { return name.c[0] == '\0'; }
/// B under its name; without one, B itself in `always` and nothing in `maybe`. (No aliases: GCC 12 dies of a dependent
/// label in one.)
template <label Name, class B> struct Under {
  using always = std::conditional_t<nameless(Name), B, At<Name, B>>;
  using maybe = std::conditional_t<nameless(Name), void, At<Name, B>>;
};

}  // namespace fauna::inline v0
