// What stands around the recurrence of RWKV-7 (ops/wkv7), number by number and head by head (Peng et al. 2025, "RWKV-7
// 'Goose' with expressive dynamic state evolution", section 4.1), as the reference implementation computes it:
//   inputs   α = σ(a)      κ = (k ∘ k_k) / max(|k ∘ k_k|, 1e-12), the length of a head's part
//            w' = exp(-e^{-1/2} σ(w))      k' = k ∘ (1 + (α - 1) ∘ k_a)      a' = -κ      b' = κ ∘ α
//   value    y = v + (first - v) ∘ σ(gate)      the first layer's value comes back in every other one
//   outputs  ŷ = (y - mean) / √(variance + ε) of each head      z = ŷ ∘ weight + bias + (r_k · (r ∘ k')) v
//            out = z ∘ g
// Backward:
//   inputs   dκ = db' ∘ α - da'      u = k ∘ k_k:  du = (dκ - κ (κ · dκ)) / |u|
//            dw = -e^{-1/2} dw' w' σ(w) (1 - σ(w))
//            dk = du ∘ k_k + dk' ∘ (1 + (α - 1) ∘ k_a)      dk_k += du ∘ k      dk_a += dk' ∘ k ∘ (α - 1)
//            da = (db' ∘ κ + dk' ∘ k ∘ k_a) α (1 - α)
//   value    s = σ(gate):  dv = dy (1 - s)      dfirst += dy s      dgate = dy (first - v) s (1 - s)
//   outputs  dz = dout ∘ g      dg = dout ∘ z      dŷ = dz ∘ weight      dy = (dŷ - mean(dŷ) - ŷ mean(dŷ ŷ)) / √(…)
//            β = r_k · (r ∘ k'):  dβ = dz · v      dv += β dz      dr += dβ k' ∘ r_k      dk' += dβ r ∘ r_k
//            dr_k += dβ r ∘ k'      dweight += dz ŷ      dbias += dz
#pragma once
#include <fauna/ops/wkv7/op.hpp>

namespace fauna::inline v0 {

/// Rows are [R, C], heads of N columns; parameters [C]; gradients of parameters are added to, or null.
/// rwkv7_mix<B>::inputs(b, N, w, k, a, k_k, k_a, out)
///   out.w, k, a and b are written: what wkv7 reads
/// rwkv7_mix<B>::inputs_backward(b, N, w, k, a, k_k, k_a, d, dw, dk, da, dk_k, dk_a)
///   d.w, k, a, b: the gradients of those; dw, dk and da are overwritten, and may be those of d
/// rwkv7_mix<B>::value(b, v, first, gate, y)                                    y may be v
/// rwkv7_mix<B>::value_backward(b, v, first, gate, dy, dv, dfirst, dgate)       dfirst is added to; dv may be dy
/// rwkv7_mix<B>::outputs(b, N, y, rows, g, r_k, weight, bias, eps, out)
///   of rows r, k, v are read; out may be y
/// rwkv7_mix<B>::outputs_backward(b, N, y, rows, g, r_k, weight, bias, eps, dout, dy, drows, dg, dr_k, dweight, dbias)
///   drows.r, k, v are added to; dy and dg are overwritten
/// None takes scratch. The bits do not depend on the number of threads.
template <class B> struct rwkv7_mix {
  static_assert(always_false<B>, "fauna: no rwkv7_mix for this backend: include <fauna/ops/rwkv7/cpu.hpp> or ref.hpp");
};

/// e^{-1/2}: a decay is never below exp(-e^{-1/2}) = 0.545.
inline constexpr double rwkv7_slowest = 0.60653065971263342360;

}  // namespace fauna::inline v0
