// Mamba-2 (Dao and Gu 2024, "Transformers are SSMs: Generalized models and efficient algorithms through structured
// state space duality"): Mamba's layers around another mixer.
#pragma once
#include <fauna/blocks/embedding.hpp>
#include <fauna/blocks/mamba2.hpp>
#include <fauna/core/concepts.hpp>
#include <fauna/models/mamba_trunk.hpp>

namespace fauna::inline v0 {

/// The defaults are those of mamba2-130m, in its published config.json.
struct Mamba2Config {
  int layers = 24;
  int width = 768;        ///< columns of the residual stream
  int heads = 24;         ///< of the recurrence
  int head_size = 64;     ///< columns of a head; all heads' are `expand` times the width
  int states = 128;       ///< numbers that each column of a head carries
  int groups = 1;         ///< of heads, which share B and C and are normalised together
  int taps = 4;           ///< of the convolution
  int vocab = 50288;      ///< rows of the token table
  bool tied = true;       ///< it is the head too
  float epsilon = 1e-5F;  ///< what the norms add to the mean square
  bool bias = false;      ///< of the outer projections
  bool conv_bias = true;
  bool gate_first = true;  ///< the gate stands before the norm

  constexpr bool operator==(Mamba2Config const&) const = default;
  static constexpr ConfigNames names{
      "mamba2", "fauna::Mamba2", "fauna::Mamba2Config", "fauna/models/mamba2.hpp", MambaNames::table, "lm_head.weight"};
  template <class C, class F> static constexpr void each(C& c, F&& f) {
    f("layers", c.layers), f("width", c.width), f("heads", c.heads), f("head_size", c.head_size);
    f("states", c.states), f("groups", c.groups), f("taps", c.taps), f("vocab", c.vocab), f("tied", c.tied);
    f("epsilon", c.epsilon), f("bias", c.bias), f("conv_bias", c.conv_bias), f("gate_first", c.gate_first);
  }
  constexpr Mamba2Sizes sizes() const {
    return {heads, head_size, states, groups, taps, conv_bias, gate_first, Epsilon{epsilon}};
  }
};

/// Its state has one size, whatever the length of a text.
template <Mamba2Config c>
struct Mamba2
    : Lm<At<"backbone", At<"embeddings", Embedding<c.vocab, c.width>>>,
         At<"backbone", MambaTrunk<c.layers, c.width, Mamba2Mixer<c.width, c.sizes(), c.bias>, Epsilon{c.epsilon}>>,
         MambaHead<c.tied, c.width, c.vocab>>,
      MambaNames {
  static constexpr Mamba2Config config = c;
};

/// For characters, as large as nanoGPT's CPU model.
using Mamba2Shakespeare =
    Mamba2<Mamba2Config{.layers = 7, .width = 128, .heads = 8, .head_size = 32, .states = 48, .vocab = 65}>;
using Mamba2_130M = Mamba2<Mamba2Config{}>;
using Mamba2_370M = Mamba2<Mamba2Config{.layers = 48, .width = 1024, .heads = 32}>;
using Mamba2_780M = Mamba2<Mamba2Config{.layers = 48, .width = 1536, .heads = 48}>;
using Mamba2_1_3B = Mamba2<Mamba2Config{.layers = 48, .width = 2048, .heads = 64}>;
using Mamba2_2_7B = Mamba2<Mamba2Config{.layers = 64, .width = 2560, .heads = 80}>;

}  // namespace fauna::inline v0
