// FalconMamba (Zuo et al. 2024, "Falcon Mamba: The first competitive attention-free 7B language model", section 3.1):
// Mamba whose step sizes, B and C are each divided by their root mean square, so that large models train without
// spikes.
#pragma once
#include <fauna/blocks/embedding.hpp>
#include <fauna/blocks/mamba.hpp>
#include <fauna/core/concepts.hpp>
#include <fauna/models/mamba_trunk.hpp>

namespace fauna::inline v0 {

/// The defaults are those of falcon-mamba-7b, in its published config.json.
struct FalconMambaConfig {
  int layers = 64;
  int width = 4096;             ///< columns of the residual stream
  int inner = 8192;             ///< channels of the recurrence
  int states = 16;              ///< numbers that a channel carries
  int rank = 256;               ///< of the step sizes
  int taps = 4;                 ///< of the convolution
  int vocab = 65024;            ///< rows of the token table
  bool tied = false;            ///< it is the head too
  float epsilon = 1e-5F;        ///< what the layers' norms add to the mean square
  float mixer_epsilon = 1e-6F;  ///< what those inside the mixers add
  bool bias = false;            ///< of the outer projections

  constexpr bool operator==(FalconMambaConfig const&) const = default;
  static constexpr ConfigNames names{
      "falcon_mamba",    "fauna::FalconMamba", "fauna::FalconMambaConfig", "fauna/models/falcon_mamba.hpp",
      MambaNames::table, "lm_head.weight"};
  template <class C, class F> static constexpr void each(C& c, F&& f) {
    f("layers", c.layers), f("width", c.width), f("inner", c.inner), f("states", c.states), f("rank", c.rank);
    f("taps", c.taps), f("vocab", c.vocab), f("tied", c.tied), f("epsilon", c.epsilon);
    f("mixer_epsilon", c.mixer_epsilon), f("bias", c.bias);
  }
};

template <FalconMambaConfig c>
struct FalconMambaMixer : MambaMixer<c.width, c.inner, c.states, c.rank, c.taps, c.bias,
                                     PartNorms<Epsilon{c.mixer_epsilon}, c.rank, c.states, c.states>> {};

/// Its state has one size, whatever the length of a text.
template <FalconMambaConfig c>
struct FalconMamba : Lm<At<"backbone", At<"embeddings", Embedding<c.vocab, c.width>>>,
                        At<"backbone", MambaTrunk<c.layers, c.width, FalconMambaMixer<c>, Epsilon{c.epsilon}>>,
                        MambaHead<c.tied, c.width, c.vocab>>,
                     MambaNames {
  static constexpr FalconMambaConfig config = c;
};

using FalconMamba_7B = FalconMamba<FalconMambaConfig{}>;
/// For characters: as many parameters as nanoGPT's CPU model has.
using FalconMambaShakespeare = FalconMamba<FalconMambaConfig{
    .layers = 7, .width = 128, .inner = 256, .states = 16, .rank = 8, .vocab = 65, .tied = true}>;

}  // namespace fauna::inline v0
