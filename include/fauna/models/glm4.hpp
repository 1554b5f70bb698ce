// GLM-4 (GLM Team 2024, "ChatGLM: a family of large language models from GLM-130B to GLM-4"): norms before and after
// attention and MLP, interleaved rotary positions on half of each head, one projection to both halves of the MLP.
#pragma once
#include <fauna/models/decoder.hpp>

namespace fauna::inline v0 {

struct Glm4Style : DecoderStyle {
  static constexpr ConfigNames names = in_files("glm4", "fauna::Glm4", "fauna::Glm4Config", "fauna/models/glm4.hpp");
  static constexpr label attention_after = "post_self_attn_layernorm", mlp_after = "post_mlp_layernorm";
  static constexpr mlp_form mlp_is = mlp_form::gated_fused;
  static constexpr rope_pairs pairs = rope_pairs::interleaved;
};
using Glm4Config = DecoderConfig<Glm4Style>;
template <Glm4Config c> struct Glm4 : Decoder<c> {};

using Glm4_9B = Glm4<Glm4Config{.layers = 40,
                                .heads = 32,
                                .kv_heads = 2,
                                .head_size = 128,
                                .width = 4096,
                                .hidden = 13696,
                                .context = 32768,
                                .vocab = 151552,
                                .turned = 0.5,
                                .qkv_bias = true}>;
using Glm4Shakespeare = Glm4<for_characters(Glm4_9B::config)>;

}  // namespace fauna::inline v0
