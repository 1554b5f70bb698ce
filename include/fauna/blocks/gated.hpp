// Gated: one half of a row opens or closes the other (Dauphin et al. 2017; Shazeer 2020, "GLU Variants Improve
// Transformer"): rows of [g | u] become A(g) u.
#pragma once
#include <fauna/core/block.hpp>
#include <fauna/ops/gated/op.hpp>

namespace fauna::inline v0 {

/// Rows of [g | u], 2 Width columns, to rows of Form(g) u, Width columns. No weights; the input is saved by the block
/// that made it.
template <activation Form, int Width> struct Gated : Leaf<2 * Width, Width> {
  static constexpr const char* kind_name = "Gated";
  using Rows = Leaf<2 * Width, Width>;

  template <class C, class W, class St, class Sv>
  static void forward(C const& c, W const&, St&, In<C, 2 * Width> x, Out<C, Width> y, Sv&) {
    gated<typename C::backend_type>::forward(c.backend, Form, x, y);
  }
  template <class C, class W, class G, class Sv, class St>
  static void backward(C const& c, W const&, G&, In<C, 2 * Width> x, Sv&, In<C, Width> dy, Out<C, 2 * Width> dx, St&) {
    gated<typename C::backend_type>::backward(c.backend, Form, x, dy, dx);
  }
};

}  // namespace fauna::inline v0
