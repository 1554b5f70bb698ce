// Columns: some neighbouring columns of rows, for compositions that use them twice or in another order.
#pragma once
#include <fauna/core/block.hpp>
#include <fauna/ops/add/op.hpp>

namespace fauna::inline v0 {

/// Columns [From, From + Count) of rows of In. No weights.
template <int In, int From, int Count> struct Columns : Leaf<In, Count> {
  static_assert(From >= 0 && Count > 0 && From + Count <= In, "fauna: columns outside the row");
  static constexpr const char* kind_name = "Columns";
  using Rows = Leaf<In, Count>;
  template <class C> using X = typename Rows::template X<C>;
  template <class C> using Y = typename Rows::template Y<C>;
  template <class C> using DX = typename Rows::template DX<C>;
  template <class C> using DY = typename Rows::template DY<C>;

  template <class C, class W, class St, class Sv> static void forward(C const& c, W const&, St&, X<C> x, Y<C> y, Sv&) {
    add<typename C::backend_type>::run(c.backend, x.template columns<From, Count>(), {}, y);
  }
  template <class C, class W, class G, class Sv, class St>
  static void backward(C const& c, W const&, G&, X<C>, Sv&, DY<C> dy, DX<C> dx, St&) {
    using B = typename C::backend_type;
    add<B>::clear(c.backend, dx);
    add<B>::run(c.backend, dy, {}, dx.template columns<From, Count>());
  }
};

}  // namespace fauna::inline v0
