// ClampedSwiGlu: gpt-oss's gated activation between the matrices of an expert (OpenAI 2025, "gpt-oss-120b & gpt-oss-20b
// model card", section 2.3): rows of [g | u] become ĝ σ(slope ĝ) (û + 1), with ĝ and û within the limits.
#pragma once
#include <fauna/core/block.hpp>
#include <fauna/ops/clamped_swiglu/op.hpp>

namespace fauna::inline v0 {

/// Rows of [g | u], 2 Width columns, to rows of Width. No weights; the input is saved by the block that made it.
template <int Width, ClampedGate How> struct ClampedSwiGlu : Leaf<2 * Width, Width> {
  static constexpr const char* kind_name = "ClampedSwiGlu";
  static_assert(How.limit > 0 && How.slope > 0, "fauna: limit and slope of a ClampedSwiGlu are above 0");
  using Rows = Leaf<2 * Width, Width>;

  template <class C, class W, class St, class Sv>
  static void forward(C const& c, W const&, St&, In<C, 2 * Width> x, Out<C, Width> y, Sv&) {
    clamped_swiglu<typename C::backend_type>::forward(c.backend, How, x, y);
  }
  template <class C, class W, class G, class Sv, class St>
  static void backward(C const& c, W const&, G&, In<C, 2 * Width> x, Sv&, In<C, Width> dy, Out<C, 2 * Width> dx, St&) {
    clamped_swiglu<typename C::backend_type>::backward(c.backend, How, x, dy, dx);
  }
};

}  // namespace fauna::inline v0
