// OLMoE (Muennighoff et al. 2024, "OLMoE: open mixture-of-experts language models"): Llama's layers with many small
// experts for the MLP, whose router does not renormalise, and with RMSNorm over whole queries and keys. Names are those
// of the checkpoints on the hub, an expert a tensor; transformers 5 also has files in which a layer's experts are one.
#pragma once
#include <fauna/blocks/moe.hpp>
#include <fauna/models/fused_experts.hpp>
#include <fauna/models/llama.hpp>

namespace fauna::inline v0 {

/// The defaults are those of OLMoE-1B-7B, in its published config.json; the weight of the z loss is the paper's.
struct OlmoeConfig {
  int layers = 16;
  int heads = 16;             ///< of queries, in a layer
  int kv_heads = 16;          ///< of keys and of values; they divide heads
  int width = 2048;           ///< columns of the residual stream; heads divide it
  int hidden = 1024;          ///< columns inside an expert, of each of its two halves
  int experts = 64;           ///< in a layer
  int chosen = 8;             ///< experts of a row
  bool renormalised = false;  ///< the weights of the chosen sum to 1
  int context = 4096;         ///< most tokens of a sequence; no weight depends on it
  int vocab = 50304;          ///< rows of the token table
  double base = 10000;        ///< of the rotary frequencies
  bool tied = false;          ///< the head is the token table
  float epsilon = 1e-5F;      ///< what the norms add to the mean square
  float balance = 0.01F;      ///< weight of the balance loss of each layer
  float z = 0.001F;           ///< weight of the z loss of each layer

  constexpr bool operator==(OlmoeConfig const&) const = default;
  static constexpr ConfigNames names{
      "olmoe",         "fauna::Olmoe", "fauna::OlmoeConfig", "fauna/models/olmoe.hpp", "model.embed_tokens.weight",
      "lm_head.weight"};
  template <class C, class F> static constexpr void each(C& c, F&& f) {
    f("layers", c.layers), f("heads", c.heads), f("kv_heads", c.kv_heads), f("width", c.width);
    f("hidden", c.hidden), f("experts", c.experts), f("chosen", c.chosen), f("renormalised", c.renormalised);
    f("context", c.context), f("vocab", c.vocab), f("base", c.base), f("tied", c.tied), f("epsilon", c.epsilon);
    f("balance", c.balance), f("z", c.z);
  }
};

/// From embedded tokens to the last norm.
template <OlmoeConfig c>
struct OlmoeTrunk
    : Seq<At<"layers",
             Stack<0, c.layers,
                   LlamaLayer<c.width,
                              RotaryAttention<c.width, c.heads, c.kv_heads, c.width / c.heads,
                                              RopeShape{.base = c.base}, false, QkNorm{qk_norm::full, c.epsilon}>,
                              Moe<GatedMlp<c.width, c.hidden>, c.experts, c.chosen,
                                  Routing{.renormalised = c.renormalised, .balance = c.balance, .z = c.z}>,
                              Epsilon{c.epsilon}>>>,
          At<"norm", RmsNorm<c.width, Epsilon{c.epsilon}>>> {};

template <OlmoeConfig c>
struct Olmoe : Lm<At<"model", At<"embed_tokens", Embedding<c.vocab, c.width>>>, At<"model", OlmoeTrunk<c>>,
                  std::conditional_t<c.tied, TiedHead<c.width, c.vocab>, At<"lm_head", LmHead<c.width, c.vocab>>>> {
  static constexpr OlmoeConfig config = c;
  /// Parameters that one token meets.
  static constexpr std::size_t active_parameters = Olmoe::parameters - static_cast<std::size_t>(c.layers) *
                                                                           (c.experts - c.chosen) * 3 *
                                                                           static_cast<std::size_t>(c.width) * c.hidden;

  static std::vector<Piece> fused(Tensor const& t) {
    return fused_experts(t, {"mlp.", "up_proj", "down_proj", c.experts, c.width, c.hidden});
  }
  static constexpr Dialect dialects[] = {{"an expert a tensor", "*mlp.experts.0.*", nullptr},
                                         {"a layer's experts in one", "*mlp.experts.gate_up_proj", fused}};
};

/// For characters: as many parameters meet a token as in nanoGPT's CPU model.
using OlmoeShakespeare = Olmoe<OlmoeConfig{.layers = 4,
                                           .heads = 4,
                                           .kv_heads = 4,
                                           .width = 128,
                                           .hidden = 88,
                                           .experts = 16,
                                           .chosen = 4,
                                           .context = 64,
                                           .vocab = 65,
                                           .tied = true}>;
using Olmoe_1B_7B = Olmoe<OlmoeConfig{}>;

}  // namespace fauna::inline v0
