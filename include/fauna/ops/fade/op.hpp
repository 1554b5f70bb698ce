// What a state fades by, made of what a product gave: a number between 0 and 1 for each head, or each key of a head.
//   y = exp(-ρ softplus(±(x + bias)))
//   Gla (Yang et al. 2023, section 4.4)      σ(x)^{1/16}: minus, ρ = 1/16, no bias
//   Gated DeltaNet (Yang et al. 2024, section 3.1), KDA (Kimi Team 2025): plus, ρ = exp(A_log) of the head: Mamba-2's
// Backward, with z = ±(x + bias) and l = log y:
//   dl = dy y      dA_log += Σ dl l      dx = ∓dl ρ σ(z)      dbias += Σ_rows dx
#pragma once
#include <fauna/core/backend.hpp>
#include <fauna/core/view.hpp>

namespace fauna::inline v0 {

/// Columns of a head, the sign of what goes into softplus, and ρ where no A_log has it.
struct FadeShape {
  int head = 1;
  float sign = 1, rate = 1;
};

/// fade_gate<B>::forward(b, shape, x, A_log, bias, y)
///   x, y [R, heads head], y may be x; A_log [heads] or null; bias [heads head] or null
/// fade_gate<B>::backward(b, shape, x, A_log, bias, dy, dx, dA_log, dbias)
///   dx is overwritten, and may be dy; dA_log and dbias are added to, or null
/// Neither takes scratch. The bits do not depend on the number of threads.
template <class B> struct fade_gate {
  static_assert(always_false<B>, "fauna: no fade_gate for this backend: include <fauna/ops/fade/cpu.hpp> or ref.hpp");
};

}  // namespace fauna::inline v0
