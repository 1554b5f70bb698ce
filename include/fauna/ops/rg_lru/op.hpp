// The real-gated linear recurrent unit (De et al. 2024, "Griffin: Mixing gated linear recurrences with local attention
// for efficient language models", section 2.4), as RecurrentGemma has it. Each of C channels carries one number h; row
// t continues row p (Batch::continues):
//   l = -8 softplus(Λ) σ(r_t)      a = e^l      g = √(1 - a²)      h_t = a h_p + g σ(i_t) x_t
// Where a text begins, at position 0 or with nothing before it, a = 0 and g = 1: nothing enters, and x is not made
// smaller. Backward, with H_t the gradient of h_t, from the row's own output, the rows that continue t and the leaving
// state, and u = σ(i) x:
//   da = H h_p - H u a / g      dl = da a      dr = dl l (1 - σ(r))      dΛ += -8 dl σ(r) σ(Λ)
//   dx = H g σ(i)      di = H g x σ(i) (1 - σ(i))      H_p += a H
// 1 / g is held below 1000, as in the reference implementation, where a state does not fade at all.
#pragma once
#include <fauna/core/backend.hpp>
#include <fauna/core/batch.hpp>
#include <fauna/core/view.hpp>

namespace fauna::inline v0 {

inline constexpr float rg_lru_sharpness = 8;
inline constexpr float rg_lru_steepest = 1000;

/// What comes in: x, and i and r before σ, [R,C].
template <class S> struct RgLruRows { Matrix<S> x, i, r; };

/// Does a text begin with row t?
constexpr bool rg_lru_begins(Batch const& batch, int sequence, int t) {
  return batch.continues(sequence, t) == Batch::nothing || batch.position(sequence, t) == 0;
}

/// rg_lru<B>::forward(b, batch, rows, lambda, state, h)
///   lambda [C]: Λ; state [sequences, C]: replaced by what leaves; null: zeros; h [R,C]
/// rg_lru<B>::backward(b, batch, rows, lambda, entering, h, dh, drows, dlambda, dstate)
///   entering: the state before forward, or null; h as forward left it; drows is overwritten; dlambda [C] is added to,
///   or null; dstate [sequences, C] or null: the gradient of the leaving state in, of the entering one out
/// rg_lru<B>::workspace(rows, cols): the bytes that backward takes from b.scratch.
/// The bits do not depend on the number of threads, nor on how rows are cut into calls.
template <class B> struct rg_lru {
  static_assert(always_false<B>, "fauna: no rg_lru for this backend: include <fauna/ops/rg_lru/cpu.hpp> or ref.hpp");
};

}  // namespace fauna::inline v0
