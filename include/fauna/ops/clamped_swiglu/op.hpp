// The gated activation of gpt-oss (OpenAI 2025, "gpt-oss-120b & gpt-oss-20b model card", section 2.3: a SwiGLU with
// clamps and a residual connection). Rows hold [g | u], a gate and what it lets through:
//   ĝ = min(g, limit)      û = u within ±limit      y = ĝ σ(slope ĝ) (û + 1)
//   dg = dy (û + 1) s (1 + slope ĝ (1 - s)),  s = σ(slope ĝ)      du = dy ĝ s      both 0 beyond the limits
#pragma once
#include <fauna/core/backend.hpp>
#include <fauna/core/view.hpp>

namespace fauna::inline v0 {

/// limit, slope > 0.
struct ClampedGate {
  float limit = 7, slope = 1.702F;
  constexpr bool operator==(ClampedGate const&) const = default;
};

/// clamped_swiglu<B>::forward(b, ClampedGate, x, y)        x [R,2C], y [R,C]; y may be the left half of x
/// clamped_swiglu<B>::backward(b, ClampedGate, x, dy, dx)  dx [R,2C]; dy [R,C]; dx may be x
/// Neither takes scratch.
template <class B> struct clamped_swiglu {
  static_assert(always_false<B>,
                "fauna: no clamped_swiglu for this backend: include <fauna/ops/clamped_swiglu/cpu.hpp> or ref.hpp");
};

}  // namespace fauna::inline v0
