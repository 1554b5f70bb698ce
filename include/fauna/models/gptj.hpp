// GPT-J (Wang and Komatsuzaki 2021, "GPT-J-6B"): attention and MLP side by side behind one LayerNorm, neighbouring
// columns of a part of each head turned, biases in the MLP and the head alone.
#pragma once
#include <fauna/models/decoder.hpp>

namespace fauna::inline v0 {

struct GptJStyle : DecoderStyle {
  static constexpr ConfigNames names{
      "gptj", "fauna::GptJ", "fauna::GptJConfig", "fauna/models/gptj.hpp", "transformer.wte.weight", "lm_head.weight"};
  static constexpr label root = "transformer", table = "wte", layers = "h", final_norm = "ln_f";
  static constexpr label attention_before = "ln_1", mlp_before = "", attention = "attn", out = "out_proj", up = "fc_in",
                         down = "fc_out";
  static constexpr norm_form norm = norm_form::layer;
  static constexpr mlp_form mlp_is = mlp_form::plain;
  static constexpr rope_pairs pairs = rope_pairs::interleaved;
  static constexpr bool parallel = true, head_bias = true, mlp_bias = true;
  static constexpr activation act = activation::gelu_tanh;
};
using GptJConfig = DecoderConfig<GptJStyle>;
template <GptJConfig c> struct GptJ : Decoder<c> {};

using GptJ6B = GptJ<GptJConfig{.layers = 28,
                               .heads = 16,
                               .kv_heads = 16,
                               .head_size = 256,
                               .width = 4096,
                               .hidden = 16384,
                               .context = 2048,
                               .vocab = 50400,
                               .turned = 0.25}>;
using GptJShakespeare = GptJ<for_characters(GptJ6B::config)>;

}  // namespace fauna::inline v0
