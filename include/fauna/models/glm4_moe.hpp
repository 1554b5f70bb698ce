// GLM-4.5 (GLM-4.5 team 2025, "GLM-4.5: agentic, reasoning, and coding foundation models", section 2.1): many small
// experts behind the router of DeepSeek-V3, sigmoids with a correction of the choice, and an expert that all rows
// share; the first layers have a dense MLP, and half of each head's columns turn.
#pragma once
#include <fauna/models/moe_decoder.hpp>

namespace fauna::inline v0 {

struct Glm4MoeStyle : MoeStyle {
  static constexpr ConfigNames names =
      in_files("glm4_moe", "fauna::Glm4Moe", "fauna::Glm4MoeConfig", "fauna/models/glm4_moe.hpp");
  static constexpr label shared = "shared_experts";
  static constexpr bool predicts_further = true;
  static constexpr Routing routing{.balance = 0, .scores = router_scores::sigmoid, .corrected = true};
};
using Glm4MoeConfig = MoeDecoderConfig<Glm4MoeStyle>;
template <Glm4MoeConfig c> struct Glm4Moe : MoeDecoder<c> {};

using Glm45Air = Glm4Moe<Glm4MoeConfig{
    {.layers = 46,
     .heads = 96,
     .kv_heads = 8,
     .head_size = 128,
     .width = 4096,
     .hidden = 10944,
     .context = 131072,
     .vocab = 151552,
     .base = 1000000,
     .turned = 0.5,
     .qkv_bias = true},
    {.experts = 128, .chosen = 8, .expert_hidden = 1408, .shared_hidden = 1408, .dense = 1, .weight_scale = 1}}>;
/// For characters: as many parameters meet a token as in nanoGPT's CPU model.
using Glm4MoeShakespeare = Glm4Moe<Glm4MoeConfig{
    {.layers = 4,
     .heads = 4,
     .kv_heads = 2,
     .head_size = 32,
     .width = 128,
     .hidden = 384,
     .context = 64,
     .vocab = 65,
     .turned = 0.5,
     .tied = true},
    {.experts = 16, .chosen = 3, .expert_hidden = 96, .shared_hidden = 96, .dense = 1, .weight_scale = 1}}>;

}  // namespace fauna::inline v0
