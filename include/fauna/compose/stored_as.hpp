// B with tensors that the reference checkpoint has otherwise: StoredAs<layout, B> lays them out otherwise,
// InPieces<How, B> has them as parts of others. Only readers and writers of such checkpoints look at it; in memory and
// in its results nothing differs from B.
#pragma once
#include <fauna/compose/children.hpp>
#include <fauna/core/block.hpp>
#include <fauna/core/fault.hpp>

namespace fauna::inline v0 {

/// B, whose matrices lie in files in layout L.
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

/// B, whose tensors are in files what How::pieces(tensor) says (core/tensor.hpp).
template <class How, class B> struct InPieces : B {
  using composition = InPieces;
  using children = Children<B>;
  template <class... New> using with = InPieces<How, New...>;
  static std::string child_name(std::size_t) { return {}; }
  template <class W, class F> static constexpr void visit(W& w, Place const& at, F&& f) {
    B::visit(w, at, [&f](Tensor t, auto& v) {
      t.pieces = How::pieces;
      f(t, v);
    });
  }
};
template <class How, class B> struct bare_<InPieces<How, B>> : bare_<B> {};

}  // namespace fauna::inline v0
