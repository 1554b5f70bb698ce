// Columns: some neighbouring columns of rows, for compositions that use them twice or in another order.
#pragma once
#include <fauna/core/block.hpp>
#include <fauna/ops/add/op.hpp>

namespace fauna::inline v0 {

/// Columns [From, From + Count) of rows of Width. No weights.
template <int Width, int From, int Count> struct Columns : Leaf<Width, Count> {
  static_assert(From >= 0 && Count > 0 && From + Count <= Width, "fauna: columns outside the row");
  static constexpr const char* kind_name = "Columns";

  template <class C, class W, class St, class Sv>
  static void forward(C const& c, W const&, St&, In<C, Width> x, Out<C, Count> y, Sv&) {
    add<typename C::backend_type>::run(c.backend, x.template columns<From, Count>(), {}, y);
  }
  template <class C, class W, class G, class Sv, class St>
  static void backward(C const& c, W const&, G&, In<C, Width>, Sv&, In<C, Count> dy, Out<C, Width> dx, St&) {
    using B = typename C::backend_type;
    add<B>::clear(c.backend, dx);
    add<B>::run(c.backend, dy, {}, dx.template columns<From, Count>());
  }
};

}  // namespace fauna::inline v0
