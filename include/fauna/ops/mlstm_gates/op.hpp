// The gates of mLSTM (Beck et al. 2024, "xLSTM: Extended long short-term memory", section 2.3), kept in range by m, the
// largest logarithm so far: an exponential of the input gate alone would overflow. For each head, with
// c(x) = C tanh(x / C), which holds both within C (Beck et al. 2025, "xLSTM 7B", section 3.2), and m_p = 0 where row t
// continues nothing:
//   l = log σ(c(f_t))      m_t = max(l + m_p, c(i_t))
//   fade = exp(l + m_p - m_t)      β = exp(c(i_t) - m_t)      least = exp(-m_t)
// which are what ops/recurrence takes. What it then makes of them does not depend on m; but its state does, and so the
// gradient of m is carried as any other:
//   M_t = (what continues t, and the leaving state) - dfade fade - dβ β - dleast least
//   dl = dfade fade + [m_t is l + m_p] M_t      dc(i) = dβ β + [m_t is c(i)] M_t      M_p += dl
#pragma once
#include <fauna/core/backend.hpp>
#include <fauna/core/batch.hpp>
#include <fauna/core/view.hpp>

namespace fauna::inline v0 {

/// What goes in, before the cap, and what comes out: [R, heads] each.
template <class S> struct MlstmGateRows { Matrix<S> i, f; };
template <class S> struct MlstmGateSums { Matrix<S> fade, beta, least; };

/// mlstm_gates<B>::forward(b, batch, cap, rows, state, out)
///   cap: C, or 0: none; state [sequences, heads]: m, replaced by what leaves; null: zeros
/// mlstm_gates<B>::backward(b, batch, cap, rows, entering, dout, drows, dstate)
///   entering: the state before forward, or null; drows is overwritten; dstate [sequences, heads] or null: the gradient
///   of the leaving state in, of the entering one out
/// Neither takes scratch: a sequence's numbers of a head are few. The bits do not depend on the number of threads.
template <class B> struct mlstm_gates {
  static_assert(always_false<B>,
                "fauna: no mlstm_gates for this backend: include <fauna/ops/mlstm_gates/cpu.hpp> or ref.hpp");
};

}  // namespace fauna::inline v0
