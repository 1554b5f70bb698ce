// Gated activation (Dauphin et al. 2017, equation 1; Shazeer 2020, "GLU Variants Improve Transformer", equation 5):
// rows hold [g | u], a gate and what it lets through.
//   y = A(g) u      dg = dy u A'(g)      du = dy A(g)
// SwiGLU is A = silu, GeGLU A = gelu; the activations are those of ops/activation/op.hpp.
#pragma once
#include <fauna/core/activation.hpp>
#include <fauna/core/backend.hpp>
#include <fauna/core/view.hpp>

namespace fauna::inline v0 {

/// gated<B>::forward(b, activation, x, y)        x [R,2C], y [R,C]; y may be the left half of x, with its stride
/// gated<B>::backward(b, activation, x, dy, dx)  dx [R,2C]; dy [R,C]; dx may be x
/// Neither takes scratch.
template <class B> struct gated {
  static_assert(always_false<B>, "fauna: no gated for this backend: include <fauna/ops/gated/cpu.hpp> or ref.hpp");
};

}  // namespace fauna::inline v0
