// Mamba (Gu and Dao 2023, "Mamba: Linear-time sequence modeling with selective state spaces"): layers of x +
// mixer(norm(x)), and nothing else. Names are those of transformers.
#pragma once
#include <fauna/blocks/embedding.hpp>
#include <fauna/blocks/mamba.hpp>
#include <fauna/core/concepts.hpp>
#include <fauna/models/mamba_trunk.hpp>

namespace fauna::inline v0 {

/// The defaults are those of mamba-130m, in its published config.json.
struct MambaConfig {
  int layers = 24;
  int width = 768;        ///< columns of the residual stream
  int inner = 1536;       ///< channels of the recurrence: `expand` times the width
  int states = 16;        ///< numbers that a channel carries
  int rank = 48;          ///< of the step sizes: a sixteenth of the width, rounded up
  int taps = 4;           ///< of the convolution
  int vocab = 50280;      ///< rows of the token table, which is the head too
  float epsilon = 1e-5F;  ///< what the norms add to the mean square
  bool bias = false;      ///< of the outer projections

  constexpr bool operator==(MambaConfig const&) const = default;
  static constexpr ConfigNames names{
      "mamba",         "fauna::Mamba", "fauna::MambaConfig", "fauna/models/mamba.hpp", "backbone.embeddings.weight",
      "lm_head.weight"};
  template <class C, class F> static constexpr void each(C& c, F&& f) {
    f("layers", c.layers), f("width", c.width), f("inner", c.inner), f("states", c.states), f("rank", c.rank);
    f("taps", c.taps), f("vocab", c.vocab), f("epsilon", c.epsilon), f("bias", c.bias);
  }
};

/// Its state has one size, whatever the length of a text.
template <MambaConfig c>
struct Mamba
    : Lm<At<"backbone", At<"embeddings", Embedding<c.vocab, c.width>>>,
         At<"backbone", MambaTrunk<c.layers, c.width, MambaMixer<c.width, c.inner, c.states, c.rank, c.taps, c.bias>,
                                   Epsilon{c.epsilon}>>,
         TiedHead<c.width, c.vocab>>,
      MambaNames {
  static constexpr MambaConfig config = c;
};

/// For characters, as large as nanoGPT's CPU model.
using MambaShakespeare =
    Mamba<MambaConfig{.layers = 6, .width = 128, .inner = 256, .states = 16, .rank = 8, .vocab = 65}>;
using Mamba_130M = Mamba<MambaConfig{}>;
using Mamba_370M = Mamba<MambaConfig{.layers = 48, .width = 1024, .inner = 2048, .rank = 64}>;
using Mamba_790M = Mamba<MambaConfig{.layers = 48, .width = 1536, .inner = 3072, .rank = 96}>;
using Mamba_1_4B = Mamba<MambaConfig{.layers = 48, .width = 2048, .inner = 4096, .rank = 128}>;
using Mamba_2_8B = Mamba<MambaConfig{.layers = 64, .width = 2560, .inner = 5120, .rank = 160}>;

}  // namespace fauna::inline v0
