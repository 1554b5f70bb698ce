// The layers between attentions, in the names of their checkpoints.
//   Mlp       two matrices with an activation between them (Vaswani et al. 2017, section 3.3), GPT-2's names
//   GatedMlp  y = (A(x W_gateᵀ) · x W_upᵀ) W_downᵀ (Shazeer 2020), Llama's names
//   NeoXMlp   Mlp with GPT-NeoX's names
#pragma once
#include <fauna/blocks/activation.hpp>
#include <fauna/blocks/dropout.hpp>
#include <fauna/blocks/gated.hpp>
#include <fauna/compose/at.hpp>
#include <fauna/compose/concat.hpp>
#include <fauna/compose/stored_as.hpp>

namespace fauna::inline v0 {

/// Rows of Width columns to rows of Width, with Hidden columns between: y = A(x W_fcᵀ + b) W_projᵀ + b', then dropout
/// (Vaswani et al. 2017, equation 2, with any activation). Checkpoints hold both matrices transposed, [in, out].
template <int Width, int Hidden, class Activation = Gelu<Hidden>, bool Bias = true, Rate Drop = Rate{}>
struct Mlp : with_dropout<Seq<At<"c_fc", StoredAs<conv1d, Linear<Width, Hidden, Bias>>>, Activation,
                              At<"c_proj", StoredAs<conv1d, Linear<Hidden, Width, Bias, residual_normal(0.02F)>>>>,
                          Drop> {};

/// Rows of Width columns to rows of Width; gate and up give rows of [g | u], Hidden columns each, of which A(g) u goes
/// down (Shazeer 2020, equation 6: silu makes it SwiGLU, gelu GEGLU). Matrices are [out, in], as in the checkpoints.
template <label Gate, label Up, label Down, int Width, int Hidden, activation Form = activation::silu,
          bool Bias = false>
struct NamedGatedMlp : Seq<Concat<At<Gate, Linear<Width, Hidden, Bias>>, At<Up, Linear<Width, Hidden, Bias>>>,
                           Gated<Form, Hidden>, At<Down, Linear<Hidden, Width, Bias>>> {};
/// The same in Llama's names.
template <int Width, int Hidden, activation Form = activation::silu, bool Bias = false>
struct GatedMlp : NamedGatedMlp<"gate_proj", "up_proj", "down_proj", Width, Hidden, Form, Bias> {};

/// Mlp with biases and without dropout; matrices are [out, in], as in the checkpoints (Black et al. 2022).
template <int Width, int Hidden, class Activation = Gelu<Hidden>>
struct NeoXMlp
    : Seq<At<"dense_h_to_4h", Linear<Width, Hidden>>, Activation, At<"dense_4h_to_h", Linear<Hidden, Width>>> {};

}  // namespace fauna::inline v0
