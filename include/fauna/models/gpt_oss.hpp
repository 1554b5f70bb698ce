// gpt-oss (OpenAI 2025, "gpt-oss-120b & gpt-oss-20b model card", sections 2.2 to 2.4): attention with biases and a
// learned logit a head in the softmax's denominator, a window in every other layer, positions stretched by YaRN; a
// router with a bias, the softmax of the chosen logits alone, and experts with biases and a clamped SwiGLU. Files have
// a layer's experts in two tensors: in bf16 each transposed, in MXFP4 (io/scaled.hpp) not; gate and up row by row.
#pragma once
#include <fauna/blocks/clamped_swiglu.hpp>
#include <fauna/models/moe_decoder.hpp>

namespace fauna::inline v0 {

struct GptOssStyle : MoeStyle {
  static constexpr ConfigNames names =
      in_files("gpt_oss", "fauna::GptOss", "fauna::GptOssConfig", "fauna/models/gpt_oss.hpp");
  static constexpr bool sinks = true, qkv_bias = true, out_bias = true;
  static constexpr Routing routing{.biased = true};  // renormalised: the softmax over the chosen
};

/// What an expert's gate and what it lets through are held within.
struct GateLimits {
  float gate_limit = 7, gate_slope = 1.702F;
  constexpr bool operator==(GateLimits const&) const = default;
  template <class C, class F> static constexpr void each(C& c, F&& f) {
    f("gate_limit", c.gate_limit), f("gate_slope", c.gate_slope);
  }
};

/// {{what a dense decoder has}, {the mixture}, {the experts' gate}}. `hidden` is `expert_hidden`.
using GptOssConfig = DecoderConfigWith<GptOssStyle, Mixture<GptOssStyle>, GateLimits>;

/// A gated MLP with biases and gpt-oss's activation.
template <int Width, int Hidden, ClampedGate Gate>
struct GptOssExpert : Seq<Concat<At<"gate_proj", Linear<Width, Hidden>>, At<"up_proj", Linear<Width, Hidden>>>,
                          ClampedSwiGlu<Hidden, Gate>, At<"down_proj", Linear<Hidden, Width>>> {};

template <GptOssConfig c> struct GptOssFiles {
  static constexpr ExpertFiles of{.moe = "mlp.",
                                  .up = "up_proj",
                                  .down = "down_proj",
                                  .experts = c.experts,
                                  .width = c.width,
                                  .hidden = c.expert_hidden,
                                  .router = "router",
                                  .interleaved = true,
                                  .transposed = true};
};
template <auto c>
requires std::is_same_v<std::remove_cvref_t<decltype(c)>, GptOssConfig>
struct moe_experts_<c> {
  using Expert = GptOssExpert<c.width, c.expert_hidden, ClampedGate{c.gate_limit, c.gate_slope}>;
  using type = FusedExperts<GptOssFiles<c>, Moe<Expert, c.experts, c.chosen, moe_decoder_detail::routing<c>()>>;
};

template <GptOssConfig c> struct GptOss : MoeDecoder<c> {
  static std::vector<Piece> in_blocks(Tensor const& t) {
    ExpertFiles files = GptOssFiles<c>::of;
    files.ending = "_blocks";
    files.transposed = false;
    return fused_experts(t, files);
  }
  static constexpr Dialect dialects[] = {{"bf16", "*mlp.experts.gate_up_proj", nullptr},
                                         {"MXFP4", "*mlp.experts.gate_up_proj_blocks", in_blocks}};
};

constexpr GptOssConfig gpt_oss(int layers, int experts) {
  return {{.layers = layers,
           .heads = 64,
           .kv_heads = 8,
           .head_size = 64,
           .width = 2880,
           .hidden = 2880,
           .context = 131072,
           .vocab = 201088,
           .window = 128,
           .full_every = 2,
           .base = 150000,
           .scaling = {.kind = rope_scaling::yarn, .factor = 32, .high = 32, .original = 4096, .truncate = false}},
          {.experts = experts, .chosen = 4, .expert_hidden = 2880, .balance = 0.9F},
          {}};
}
using GptOss20B = GptOss<gpt_oss(24, 32)>;
using GptOss120B = GptOss<gpt_oss(36, 128)>;
/// For characters: as many parameters meet a token as in nanoGPT's CPU model.
using GptOssShakespeare = GptOss<GptOssConfig{{.layers = 4,
                                               .heads = 4,
                                               .kv_heads = 2,
                                               .head_size = 32,
                                               .width = 128,
                                               .hidden = 192,
                                               .context = 64,
                                               .vocab = 65,
                                               .window = 32,
                                               .full_every = 2,
                                               .base = 150000,
                                               .tied = true},
                                              {.experts = 8, .chosen = 2, .expert_hidden = 192, .balance = 0.01F},
                                              {}}>;

}  // namespace fauna::inline v0
