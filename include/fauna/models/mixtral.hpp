// Mixtral (Jiang et al. 2024, "Mixtral of experts"): Llama's layers with a mixture of experts for the MLP. Names are
// those of the checkpoints on the hub, an expert a tensor; transformers 5 also has files in which a layer's experts are
// one.
#pragma once
#include <type_traits>

#include <fauna/blocks/moe.hpp>
#include <fauna/models/fused_experts.hpp>
#include <fauna/models/llama.hpp>

namespace fauna::inline v0 {

/// The defaults are those of Mixtral 8x7B, in its published config.json.
struct MixtralConfig {
  int layers = 32;
  int heads = 32;          ///< of queries, in a layer
  int kv_heads = 8;        ///< of keys and of values; they divide heads
  int head_size = 128;     ///< columns of a head
  int width = 4096;        ///< columns of the residual stream
  int hidden = 14336;      ///< columns inside an expert, of each of its two halves
  int experts = 8;         ///< in a layer
  int chosen = 2;          ///< experts of a row
  int context = 32768;     ///< most tokens of a sequence; no weight depends on it
  int vocab = 32000;       ///< rows of the token table
  double base = 1000000;   ///< of the rotary frequencies
  bool tied = false;       ///< the head is the token table
  float epsilon = 1e-5F;   ///< what the norms add to the mean square
  float balance = 0.001F;  ///< weight of the balance loss of each layer

  constexpr bool operator==(MixtralConfig const&) const = default;
  static constexpr ConfigNames names{"mixtral",
                                     "fauna::Mixtral",
                                     "fauna::MixtralConfig",
                                     "fauna/models/mixtral.hpp",
                                     "model.embed_tokens.weight",
                                     "lm_head.weight"};
  template <class C, class F> static constexpr void each(C& c, F&& f) {
    f("layers", c.layers), f("heads", c.heads), f("kv_heads", c.kv_heads), f("head_size", c.head_size);
    f("width", c.width), f("hidden", c.hidden), f("experts", c.experts), f("chosen", c.chosen);
    f("context", c.context), f("vocab", c.vocab), f("base", c.base), f("tied", c.tied), f("epsilon", c.epsilon);
    f("balance", c.balance);
  }
};

/// A gated MLP (Shazeer 2020, equation 6) with Mixtral's names.
template <int Width, int Hidden> struct MixtralExpert : NamedGatedMlp<"w1", "w3", "w2", Width, Hidden> {};

/// x + attention(norm(x)), then x + experts(norm(x)).
template <int Width, class Attention, class Experts, Epsilon E>
struct MixtralLayer
    : Seq<Residual<Seq<At<"input_layernorm", RmsNorm<Width, E>>, At<"self_attn", Attention>>>,
          Residual<Seq<At<"post_attention_layernorm", RmsNorm<Width, E>>, At<"block_sparse_moe", Experts>>>> {};

/// From embedded tokens to the last norm.
template <MixtralConfig c>
struct MixtralTrunk
    : Seq<At<"layers",
             Stack<0, c.layers,
                   MixtralLayer<
                       c.width, RotaryAttention<c.width, c.heads, c.kv_heads, c.head_size, RopeShape{.base = c.base}>,
                       Moe<MixtralExpert<c.width, c.hidden>, c.experts, c.chosen, Routing{.balance = c.balance}>,
                       Epsilon{c.epsilon}>>>,
          At<"norm", RmsNorm<c.width, Epsilon{c.epsilon}>>> {};

template <MixtralConfig c>
struct Mixtral : Lm<At<"model", At<"embed_tokens", Embedding<c.vocab, c.width>>>, At<"model", MixtralTrunk<c>>,
                    std::conditional_t<c.tied, TiedHead<c.width, c.vocab>, At<"lm_head", LmHead<c.width, c.vocab>>>> {
  static constexpr MixtralConfig config = c;
  /// Parameters that one token meets.
  static constexpr std::size_t active_parameters =
      Mixtral::parameters -
      static_cast<std::size_t>(c.layers) * (c.experts - c.chosen) * 3 * static_cast<std::size_t>(c.width) * c.hidden;

  static std::vector<Piece> fused(Tensor const& t) {
    return fused_experts(t, {"block_sparse_moe.", "w3", "w2", c.experts, c.width, c.hidden});
  }
  static constexpr Dialect dialects[] = {{"an expert a tensor", "*block_sparse_moe.*", nullptr},
                                         {"a layer's experts in one", "*mlp.experts.gate_up_proj", fused}};
};

/// For characters: as many parameters meet a token as in nanoGPT's CPU model, three times as many are there.
using MixtralShakespeare = Mixtral<MixtralConfig{.layers = 4,
                                                 .heads = 4,
                                                 .kv_heads = 4,
                                                 .head_size = 32,
                                                 .width = 128,
                                                 .hidden = 176,
                                                 .experts = 8,
                                                 .chosen = 2,
                                                 .context = 64,
                                                 .vocab = 65,
                                                 .base = 10000,
                                                 .tied = true,
                                                 .balance = 0.01F}>;
using Mixtral_8x7B = Mixtral<MixtralConfig{}>;
using Mixtral_8x22B =
    Mixtral<MixtralConfig{.layers = 56, .heads = 48, .width = 6144, .hidden = 16384, .context = 65536, .vocab = 32768}>;

}  // namespace fauna::inline v0
