// RowGate: rows of [x | g] become σ(g) x. With the blocks that give both, y = σ(w · r) F(r): the shared expert of
// Qwen2-MoE (Yang et al. 2024, "Qwen2 technical report", section 2.2.2).
#pragma once
#include <fauna/core/block.hpp>
#include <fauna/ops/row_gate/op.hpp>

namespace fauna::inline v0 {

template <int Width> struct RowGate : Leaf<Width + 1, Width> {
  static constexpr const char* kind_name = "RowGate";
  using Rows = Leaf<Width + 1, Width>;
  template <class C> using X = typename Rows::template X<C>;
  template <class C> using Y = typename Rows::template Y<C>;
  template <class C> using DX = typename Rows::template DX<C>;
  template <class C> using DY = typename Rows::template DY<C>;

  template <class C, class W, class St, class Sv> static void forward(C const& c, W const&, St&, X<C> x, Y<C> y, Sv&) {
    row_gate<typename C::backend_type>::forward(c.backend, x, y);
  }
  template <class C, class W, class G, class Sv, class St>
  static void backward(C const& c, W const&, G&, X<C> x, Sv&, DY<C> dy, DX<C> dx, St&) {
    row_gate<typename C::backend_type>::backward(c.backend, x, dy, dx);
  }
};

}  // namespace fauna::inline v0
