// A tuple with just what compositions need; std::tuple would cost each composition a third of its compile time.
#pragma once
#include <cstddef>
#include <utility>

#include <fauna/core/version.hpp>

namespace fauna::inline v0 {

template <std::size_t I, class T> struct Slot { T value{}; };
template <class Indices, class... T> struct TupleOf;
template <std::size_t... I, class... T> struct TupleOf<std::index_sequence<I...>, T...> : Slot<I, T>... {};

/// One value of each type, in order: at<I>(pack).
template <class... T> struct Tuple : TupleOf<std::index_sequence_for<T...>, T...> {};

template <std::size_t I, class T> constexpr T& at(Slot<I, T>& s) { return s.value; }
template <std::size_t I, class T> constexpr T const& at(Slot<I, T> const& s) { return s.value; }

/// The I-th of some types.
template <std::size_t I, class T> T nth_(Slot<I, T> const&);
template <std::size_t I, class... T> using nth = decltype(nth_<I>(std::declval<Tuple<T...> const&>()));

/// f(constant<0>), f(constant<1>), ..., f(constant<N - 1>): a loop whose index is a type.
template <std::size_t I> struct constant {
  static constexpr std::size_t value = I;
  constexpr operator std::size_t() const { return I; }
};
template <std::size_t N, class F> constexpr void each_index(F&& f) {
  [&]<std::size_t... I>(std::index_sequence<I...>) { (f(constant<I>{}), ...); }
  (std::make_index_sequence<N>{});
}

}  // namespace fauna::inline v0
