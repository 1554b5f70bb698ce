// A decoder with the experts of the Switch Transformer (Fedus et al. 2021, "Switch transformers: scaling to trillion
// parameter models with simple and efficient sparsity", section 2): one plain MLP of each row, and experts that serve
// at most a capacity of rows. The paper's model is an encoder and a decoder; here its layers stand in Llama's decoder,
// where queues are by position within each sequence, since a capacity that is shared by a batch is not causal. What
// finds no place goes on through the residual.
#pragma once
#include <fauna/models/mixtral.hpp>

namespace fauna::inline v0 {

struct SwitchLmConfig {
  int layers = 4;
  int heads = 4;
  int head_size = 32;      ///< columns of a head
  int width = 128;         ///< columns of the residual stream
  int hidden = 512;        ///< columns inside an expert
  int experts = 8;         ///< in a layer
  int context = 64;        ///< tokens of a sequence for which experts have their capacity
  int vocab = 65;          ///< rows of the token table
  double base = 10000;     ///< of the rotary frequencies
  bool tied = true;        ///< the head is the token table
  float epsilon = 1e-5F;   ///< what the norms add to the mean square
  float balance = 0.01F;   ///< weight of the balance loss of each layer
  float capacity = 1.25F;  ///< rows that an expert serves of a sequence, over what it has where all are even

  constexpr bool operator==(SwitchLmConfig const&) const = default;
  static constexpr ConfigNames names{"switch_lm",
                                     "fauna::SwitchLm",
                                     "fauna::SwitchLmConfig",
                                     "fauna/models/switch_lm.hpp",
                                     "model.embed_tokens.weight",
                                     "lm_head.weight"};
  template <class C, class F> static constexpr void each(C& c, F&& f) {
    f("layers", c.layers), f("heads", c.heads), f("head_size", c.head_size), f("width", c.width);
    f("hidden", c.hidden), f("experts", c.experts), f("context", c.context), f("vocab", c.vocab), f("base", c.base);
    f("tied", c.tied), f("epsilon", c.epsilon), f("balance", c.balance), f("capacity", c.capacity);
  }
};

/// relu(x W_iᵀ) W_oᵀ, with T5's names.
template <int Width, int Hidden>
struct SwitchExpert : Seq<At<"wi", Linear<Width, Hidden, false>>, Activation<Hidden, activation::relu>,
                          At<"wo", Linear<Hidden, Width, false>>> {};

template <SwitchLmConfig c>
using SwitchExperts =
    MixtureOfExperts<TopK<c.width, c.experts, 1, Routing{.renormalised = false, .balance = c.balance}>,
                     Capacity<Limits{.factor = c.capacity, .length = c.context}>, WeightedOutputs,
                     Each<SwitchExpert<c.width, c.hidden>, c.experts>>;

template <SwitchLmConfig c>
struct SwitchLmTrunk
    : Seq<At<"layers",
             Stack<0, c.layers,
                   MixtralLayer<c.width,
                                RotaryAttention<c.width, c.heads, c.heads, c.head_size, RopeShape{.base = c.base}>,
                                SwitchExperts<c>, Epsilon{c.epsilon}>>>,
          At<"norm", RmsNorm<c.width, Epsilon{c.epsilon}>>> {};

template <SwitchLmConfig c>
struct SwitchLm : Lm<At<"model", At<"embed_tokens", Embedding<c.vocab, c.width>>>, At<"model", SwitchLmTrunk<c>>,
                     std::conditional_t<c.tied, TiedHead<c.width, c.vocab>, At<"lm_head", LmHead<c.width, c.vocab>>>> {
  static constexpr SwitchLmConfig config = c;
  /// Parameters that one token meets.
  static constexpr std::size_t active_parameters =
      SwitchLm::parameters -
      static_cast<std::size_t>(c.layers) * (c.experts - 1) * 2 * static_cast<std::size_t>(c.width) * c.hidden;
};

/// For characters: as many operations a token as in nanoGPT's CPU model, five times the parameters.
using SwitchShakespeare = SwitchLm<SwitchLmConfig{}>;

}  // namespace fauna::inline v0
