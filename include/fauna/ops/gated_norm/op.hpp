// Root-mean-square normalisation of groups of columns, with a gate before it or behind it (Dao and Gu 2024,
// "Transformers are SSMs", section 7.3, and its reference implementation). With s = silu(z), and sums over the columns
// of a group of size n:
//   before: u = y ∘ s   out = w ∘ u r        behind: u = y   out = w ∘ u r ∘ s        r = 1 / √(Σ u² / n + ε)
// Backward, with d = dout (gate before) or dout ∘ s (behind):
//   du = r (w ∘ d - u r² Σ(w d u) / n)      dw += Σ_rows d ∘ u r
//   before: dy = du ∘ s, dz = du ∘ y ∘ silu'(z)      behind: dy = du, dz = dout ∘ w ∘ u r ∘ silu'(z)
#pragma once
#include <fauna/core/backend.hpp>
#include <fauna/core/view.hpp>

namespace fauna::inline v0 {

struct GatedNorm {
  int groups;         ///< of columns, equally many each
  bool gate_first;    ///< before the norm
  double eps = 1e-5;  ///< ε
};

/// gated_norm<B>::forward(b, form, y, z, weight, out, rstd)
///   y, z, out [R,C], out may be y; weight [C]; rstd [R, groups] is kept for backward, or null
/// gated_norm<B>::backward(b, form, y, z, weight, rstd, dout, dy, dz, dweight)
///   dy and dz [R,C] are overwritten, dy may be dout; dweight [C] is added to, or null. Its bits do not depend on the
///   number of threads.
/// gated_norm<B>::workspace(rows, cols): the bytes that backward takes from b.scratch.
template <class B> struct gated_norm {
  static_assert(always_false<B>,
                "fauna: no gated_norm for this backend: include <fauna/ops/gated_norm/cpu.hpp> or ref.hpp");
};

}  // namespace fauna::inline v0
