// What stands around the recurrence of Mamba-3 ("Mamba-3: Improved sequence modeling using state space principles",
// 2026, arXiv 2603.15569, sections 3.1 and 3.2), the single-input single-output form. ops/recurrence is the recurrence
// itself: blocks/mamba3.hpp has how the two meet. Row t continues row p (Batch::continues), a head at a time:
//   gates   δ = softplus(dt + dt_bias)      A = max(r(a), 1e-4)      λ = σ(trap)
//           fade = exp(-δ A)      now = λ δ      β = fade (now_p + (1 - λ) δ)      θ = θ_p + π δ tanh(angle)  mod 2π
//   heads   k = R(θ) (b + bias_b)      q = R(θ) (c + bias_c): each of the first K pairs of neighbours turned by its θ
//   skip    y += (now (k · q) + D) v
// with r(x) = 1 + x from 0 on and 1 / (1 - x) below. (Older sources of mamba_ssm have softplus(a) for r(a).) θ is the
// only place where the position enters: a product of rotations whose angles depend on the data.
// Backward, with N and T the gradients of now_t and θ_t, from their readers, from the rows that continue t and from the
// leaving state:
//   N_p += fade dβ      T_p += T      dfade' = dfade + dβ (now_p + (1 - λ) δ)
//   dδ = λ N + (1 - λ) fade dβ - A fade dfade' + π Σ tanh(angle) T      ddt = dδ σ(dt + dt_bias)
//   dtrap = λ (1 - λ) δ (N - fade dβ)      da = -δ fade dfade' r'(a) [r(a) > 1e-4]      dangle = π δ (1 - tanh²) T
//   heads: T = Σ over k and q of (y_0 dy_1 - y_1 dy_0), y a turned pair; dx = R(-θ) dy
//   skip:  s = dy · v:  dnow = s (k · q)      dk += now s q      dq += now s k      dv += (now (k · q) + D) dy      dD
//   += s
#pragma once
#include <fauna/core/backend.hpp>
#include <fauna/core/batch.hpp>
#include <fauna/core/view.hpp>

namespace fauna::inline v0 {

/// H heads of N states for keys and queries and P columns for values, G groups of heads that share b and c, K angles.
struct Mamba3Shape {
  int heads = 1, states = 1, size = 1, groups = 1, angles = 0;
};
/// A falls no further.
inline constexpr double mamba3_floor = 1e-4;

/// What gates are made of: dt, a, trap [R,H], angle [R,K].
template <class S> struct Mamba3GateRows { Matrix<S> dt, a, trap, angle; };
/// And what they are: fade, now, beta [R,H], theta [R, H K].
template <class S> struct Mamba3Gates { Matrix<S> fade, now, beta, theta; };
/// Of each sequence: theta [sequences, H K], now [sequences, H].
template <class S> struct Mamba3State { Matrix<S> theta, now; };

/// mamba3_gates<B>::forward(b, batch, shape, rows, dt_bias, state, out)
///   dt_bias [H]; state: replaced by what leaves; null: zeros
/// mamba3_gates<B>::backward(b, batch, shape, rows, dt_bias, entering, out, dout, drows, ddt_bias, dstate)
///   entering: the state before forward, or null; out as forward left it; drows is overwritten; ddt_bias [H] is added
///   to, or null; dstate: the gradient of the leaving state in, of the entering one out, or null
/// mamba3_gates<B>::workspace(shape, rows): the bytes that either takes from b.scratch.
/// The bits do not depend on the number of threads, nor on how rows are cut into calls.
template <class B> struct mamba3_gates {
  static_assert(always_false<B>,
                "fauna: no mamba3_gates for this backend: include <fauna/ops/mamba3/cpu.hpp> or ref.hpp");
};

/// One of keys and queries: x [R, G N] and its bias [H N].
template <class S> struct Mamba3Side {
  Matrix<S> x;
  S* bias = nullptr;
};

/// mamba3_heads<B>::forward(b, shape, keys, queries, theta, k, q)      k, q [R, H N]
/// mamba3_heads<B>::backward(b, shape, k, q, theta, dk, dq, dkeys, dqueries, dtheta)
///   dk and dq are turned back in their place; what x of dkeys and dqueries point to and dtheta [R, H K] are
///   overwritten, their biases added to, or null
/// Neither takes scratch. The bits do not depend on the number of threads.
template <class B> struct mamba3_heads {
  static_assert(always_false<B>,
                "fauna: no mamba3_heads for this backend: include <fauna/ops/mamba3/cpu.hpp> or ref.hpp");
};

/// k, q [R, H N], v [R, H P], now [R,H].
template <class S> struct Mamba3SkipRows { Matrix<S> k, q, v, now; };

/// mamba3_skip<B>::forward(b, shape, rows, D, y)                D [H]; y [R, H P] is added to
/// mamba3_skip<B>::backward(b, shape, rows, D, dy, drows, dD)   drows is added to, but for now, which is overwritten;
/// dD
///                                                              [H] is added to, or null
/// Neither takes scratch. The bits do not depend on the number of threads.
template <class B> struct mamba3_skip {
  static_assert(always_false<B>,
                "fauna: no mamba3_skip for this backend: include <fauna/ops/mamba3/cpu.hpp> or ref.hpp");
};

}  // namespace fauna::inline v0
