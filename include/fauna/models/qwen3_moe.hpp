// Qwen3-MoE (Yang et al. 2025, "Qwen3 technical report", section 2): Qwen3 with many small experts for the MLP, of
// whose weights the chosen ones are renormalised. Names are those of the checkpoints on the hub, an expert a tensor;
// transformers 5 also has files in which a layer's experts are one.
#pragma once
#include <fauna/models/moe_decoder.hpp>

namespace fauna::inline v0 {

struct Qwen3MoeStyle : MoeStyle {
  static constexpr ConfigNames names =
      in_files("qwen3_moe", "fauna::Qwen3Moe", "fauna::Qwen3MoeConfig", "fauna/models/qwen3_moe.hpp");
  static constexpr qk_norm normed = qk_norm::head;
};
using Qwen3MoeConfig = MoeDecoderConfig<Qwen3MoeStyle>;
template <Qwen3MoeConfig c> struct Qwen3Moe : MoeDecoder<c> {};

/// For characters: as many parameters meet a token as in nanoGPT's CPU model.
using Qwen3MoeShakespeare = Qwen3Moe<Qwen3MoeConfig{{.layers = 4,
                                                     .heads = 4,
                                                     .kv_heads = 4,
                                                     .head_size = 32,
                                                     .width = 128,
                                                     .hidden = 352,
                                                     .context = 64,
                                                     .vocab = 65,
                                                     .tied = true},
                                                    {.experts = 16, .chosen = 4, .expert_hidden = 88}}>;
using Qwen3_30B_A3B = Qwen3Moe<Qwen3MoeConfig{{.layers = 48,
                                               .heads = 32,
                                               .kv_heads = 4,
                                               .head_size = 128,
                                               .width = 2048,
                                               .hidden = 6144,
                                               .context = 40960,
                                               .vocab = 151936,
                                               .base = 1000000,
                                               .epsilon = 1e-6F},
                                              {.experts = 128, .chosen = 8, .expert_hidden = 768}}>;
using Qwen3_235B_A22B = Qwen3Moe<Qwen3MoeConfig{{.layers = 94,
                                                 .heads = 64,
                                                 .kv_heads = 4,
                                                 .head_size = 128,
                                                 .width = 4096,
                                                 .hidden = 12288,
                                                 .context = 40960,
                                                 .vocab = 151936,
                                                 .base = 1000000,
                                                 .epsilon = 1e-6F},
                                                {.experts = 128, .chosen = 8, .expert_hidden = 1536}}>;

}  // namespace fauna::inline v0
