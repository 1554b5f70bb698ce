// StoredAs<layout, B>: B with tensors that the reference checkpoint lays out otherwise. Only
// readers and writers of such checkpoints look at it.
#pragma once
#include <fauna/compose/children.hpp>
#include <fauna/core/block.hpp>
#include <fauna/core/fault.hpp>

namespace fauna::inline v0 {

/// B, whose matrices lie in files in layout L; in memory and in its results nothing differs from B.
template <Layout L, class B> struct StoredAs : B {
  using composition = StoredAs;
  using children = Children<B>;
  template <class... New> using with = StoredAs<L, New...>;
  static std::string child_name(std::size_t) { return {}; }
  template <class W, class F> static constexpr void visit(W& w, Place const& at, F&& f) {
    B::visit(w, at, [&f](Tensor t, auto& v) {
      t.layout = L;
      f(t, v);
    });
  }
};
template <Layout L, class B> struct bare_<StoredAs<L, B>> : bare_<B> {};

}  // namespace fauna::inline v0
