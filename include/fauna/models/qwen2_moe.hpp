// Qwen2-MoE and Qwen1.5-MoE (Yang et al. 2024, "Qwen2 technical report", section 2.2.2): Qwen2 with a mixture of
// experts for the MLP, and beside it an expert that all rows share, opened by a number of the row.
#pragma once
#include <fauna/models/moe_decoder.hpp>

namespace fauna::inline v0 {

struct Qwen2MoeStyle : MoeStyle {
  static constexpr ConfigNames names =
      in_files("qwen2_moe", "fauna::Qwen2Moe", "fauna::Qwen2MoeConfig", "fauna/models/qwen2_moe.hpp");
  static constexpr bool qkv_bias = true;
  static constexpr label shared = "shared_expert", shared_gate = "shared_expert_gate";
  static constexpr Routing routing{.renormalised = false};
};
using Qwen2MoeConfig = MoeDecoderConfig<Qwen2MoeStyle>;
template <Qwen2MoeConfig c> struct Qwen2Moe : MoeDecoder<c> {};

using Qwen15Moe_A2_7B =
    Qwen2Moe<Qwen2MoeConfig{{.layers = 24,
                             .heads = 16,
                             .kv_heads = 16,
                             .head_size = 128,
                             .width = 2048,
                             .hidden = 5632,
                             .context = 8192,
                             .vocab = 151936,
                             .base = 1000000,
                             .epsilon = 1e-6F},
                            {.experts = 60, .chosen = 4, .expert_hidden = 1408, .shared_hidden = 5632}}>;
using Qwen2Moe_57B_A14B =
    Qwen2Moe<Qwen2MoeConfig{{.layers = 28,
                             .heads = 28,
                             .kv_heads = 4,
                             .head_size = 128,
                             .width = 3584,
                             .hidden = 18944,
                             .context = 32768,
                             .vocab = 151936,
                             .base = 1000000,
                             .epsilon = 1e-6F},
                            {.experts = 64, .chosen = 8, .expert_hidden = 2560, .shared_hidden = 20480}}>;
/// For characters: as many parameters meet a token as in nanoGPT's CPU model.
using Qwen2MoeShakespeare =
    Qwen2Moe<Qwen2MoeConfig{{.layers = 4,
                             .heads = 4,
                             .kv_heads = 2,
                             .head_size = 32,
                             .width = 128,
                             .hidden = 384,
                             .context = 64,
                             .vocab = 65,
                             .epsilon = 1e-6F,
                             .tied = true},
                            {.experts = 16, .chosen = 2, .expert_hidden = 96, .shared_hidden = 192}}>;

}  // namespace fauna::inline v0
