// StartsAs<init, B>: B, whose matrices have other initial values.
#pragma once
#include <fauna/compose/children.hpp>
#include <fauna/core/block.hpp>
#include <fauna/core/fault.hpp>

namespace fauna::inline v0 {

template <Init Start, class B> struct StartsAs : B {
  using composition = StartsAs;
  using children = Children<B>;
  template <class... New> using with = StartsAs<Start, New...>;
  static std::string child_name(std::size_t) { return {}; }
  template <class W, class F> static constexpr void visit(W& w, Place const& at, F&& f) {
    B::visit(w, at, [&f](Tensor t, auto& v) {
      if (t.stored == kind::matrix) t.init = Start;
      f(t, v);
    });
  }
};
template <Init Start, class B> struct bare_<StartsAs<Start, B>> : bare_<B> {};

}  // namespace fauna::inline v0
