// selectively_recomputed<M>: the model M of which training keeps the outputs of products, attention and scans, and runs
// what lies between them again in the backward pass: norms and activations (Korthikanti et al. 2022, "Reducing
// activation recomputation in large transformer models", section 5, of which more is kept here). Same bits, less
// memory, and time for elementwise work alone; recomputed<M> (compose/recomputed.hpp) keeps less and takes more
// time. A model in parts is cut first, then rewritten: selectively_recomputed<tensor_parallel<M, N>>.
#pragma once
#include <string>

#include <fauna/blocks/activation.hpp>
#include <fauna/blocks/gated.hpp>
#include <fauna/blocks/norm.hpp>
#include <fauna/compose/again.hpp>
#include <fauna/compose/rewrite.hpp>

namespace fauna::inline v0 {

/// Does a block cost little beside the memory of what it gives?
template <class B> inline constexpr bool is_cheap = PlainActivation<B>;
template <int Width, bool Bias, Epsilon E, int Offset, bool Affine>
inline constexpr bool is_cheap<LayerNorm<Width, Bias, E, Offset, Affine>> = true;
template <int Width, Epsilon E, int Offset> inline constexpr bool is_cheap<RmsNorm<Width, E, Offset>> = true;
template <activation Form, int Width> inline constexpr bool is_cheap<Gated<Form, Width>> = true;

struct RecomputeCheap {
  static std::string text() { return "selectively recomputed"; }
  static constexpr bool original_checkpoints = true;
  template <class B> static constexpr auto replace() {
    if constexpr (is_cheap<B>) return std::type_identity<Again<B>>{};
  }
};

template <class M> using selectively_recomputed = rewrite<M, RecomputeCheap>;

}  // namespace fauna::inline v0
