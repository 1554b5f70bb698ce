// RowGate: rows of [x | g] become σ(g) x. With the blocks that give both, y = σ(w · r) F(r): the shared expert of
// Qwen2-MoE (Yang et al. 2024, "Qwen2 technical report", section 2.2.2).
#pragma once
#include <fauna/core/block.hpp>
#include <fauna/ops/row_gate/op.hpp>

namespace fauna::inline v0 {

template <int Width> struct RowGate : Leaf<Width + 1, Width> {
  static constexpr const char* kind_name = "RowGate";

  template <class C, class W, class St, class Sv>
  static void forward(C const& c, W const&, St&, In<C, Width + 1> x, Out<C, Width> y, Sv&) {
    row_gate<typename C::backend_type>::forward(c.backend, x, y);
  }
  template <class C, class W, class G, class Sv, class St>
  static void backward(C const& c, W const&, G&, In<C, Width + 1> x, Sv&, In<C, Width> dy, Out<C, Width + 1> dx, St&) {
    row_gate<typename C::backend_type>::backward(c.backend, x, dy, dx);
  }
};

}  // namespace fauna::inline v0
