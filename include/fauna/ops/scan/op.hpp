// The selective scan of Mamba (Gu and Dao 2023, "Mamba: Linear-time sequence modeling with selective state spaces",
// algorithm 2), with its gate. For each of E channels a state h of N numbers; row t continues row p (Batch::continues):
//   δ = softplus(dt_t)      h_t = exp(δ A) ∘ h_p + δ x_t B_t      y_t = C_t · h_t + D x_t      out_t = y_t · silu(z_t)
// A is discretised exactly, B by Euler's rule: that of the reference implementation, not of the paper's equation 4.
// Backward, with g_t the gradient of h_t, from the rows that continue t and from the leaving state:
//   dy = dout silu(z)      dz = dout y silu'(z)      g_t += dy C_t      dC_t = Σ_channels dy h_t      dD += dy x_t
//   dB_t = Σ_channels δ x_t g_t      dx_t = D dy + δ (g_t · B_t)      u = g_t ∘ exp(δ A) ∘ h_p      dA += δ u
//   dδ = x_t (g_t · B_t) + u · A      d(dt_t) = dδ sigmoid(dt_t)      g_p += exp(δ A) ∘ g_t
#pragma once
#include <fauna/core/backend.hpp>
#include <fauna/core/batch.hpp>
#include <fauna/core/view.hpp>

namespace fauna::inline v0 {

/// The rows of a scan, as selective_scan takes them: x, z [R,E], dt [R,E] before softplus, b, c [R,N].
template <class S> struct ScanRows { Matrix<S> x, z, dt, b, c; };

/// selective_scan<B>::forward(b, batch, rows, A, D, state, out, h)
///   A [N,E], negative: one row a state number, so that channels lie side by side; D [E]; state [sequences N, E] is
///   replaced by what leaves, null: zeros; out [R,E]; h [R N, E] receives the states after every row, or is null, where
///   the CPU alone takes a tree
/// selective_scan<B>::backward(b, batch, rows, A, D, entering, h, dout, drows, dA, dD, dstate)
///   entering: the state before forward, or null; drows is overwritten; dA [N,E] and dD [E] are added to, or null;
///   dstate [sequences N, E] or null: the gradient of the leaving state in, of the entering one out
/// selective_scan<B>::rates(b, A_log, A)                       A_log [E,N]: A[n,e] = -exp(A_log[e,n])
/// selective_scan<B>::rates_backward(b, A, dA, dA_log)         dA_log[e,n] += dA[n,e] A[n,e]
/// selective_scan<B>::workspace(rows, E, N): the bytes that backward takes from b.scratch.
/// The bits do not depend on the number of threads, nor on how rows are cut into calls.
template <class B> struct selective_scan {
  static_assert(always_false<B>,
                "fauna: no selective_scan for this backend: include <fauna/ops/scan/cpu.hpp> or ref.hpp");
};

}  // namespace fauna::inline v0
