// Undecayed<B>: B, of which weight decay leaves every tensor alone.
#pragma once
#include <fauna/compose/children.hpp>
#include <fauna/core/block.hpp>
#include <fauna/core/fault.hpp>

namespace fauna::inline v0 {

template <class B> struct Undecayed : B {
  using composition = Undecayed;
  using children = Children<B>;
  template <class... New> using with = Undecayed<New...>;
  static std::string child_name(std::size_t) { return {}; }
  template <class W, class F> static constexpr void visit(W& w, Place const& at, F&& f) {
    B::visit(w, at, [&f](Tensor t, auto& v) {
      t.decays = decay::no;
      f(t, v);
    });
  }
};
template <class B> struct bare_<Undecayed<B>> : bare_<B> {};

}  // namespace fauna::inline v0
