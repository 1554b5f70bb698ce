// OLMo 3 (OLMo Team 2025, "OLMo 3"): OLMo 2 with a window in three of four layers. YaRN stretches the positions of the
// layers that see all, and of these alone.
#pragma once
#include <fauna/models/olmo2.hpp>

namespace fauna::inline v0 {

struct Olmo3Style : Olmo2Style {
  static constexpr ConfigNames names =
      in_files("olmo3", "fauna::Olmo3", "fauna::Olmo3Config", "fauna/models/olmo3.hpp");
};
using Olmo3Config = DecoderConfig<Olmo3Style>;
template <Olmo3Config c> struct Olmo3 : Decoder<c> {};

using Olmo3_7B = Olmo3<Olmo3Config{.layers = 32,
                                   .heads = 32,
                                   .kv_heads = 32,
                                   .head_size = 128,
                                   .width = 4096,
                                   .hidden = 11008,
                                   .context = 65536,
                                   .vocab = 100278,
                                   .window = 4096,
                                   .full_every = 4,
                                   .base = 500000,
                                   .window_base = 500000,
                                   .scaling = {.kind = rope_scaling::yarn, .factor = 8, .high = 32, .original = 8192},
                                   .epsilon = 1e-6F}>;
using Olmo3_32B = Olmo3<Olmo3Config{.layers = 64,
                                    .heads = 40,
                                    .kv_heads = 8,
                                    .head_size = 128,
                                    .width = 5120,
                                    .hidden = 27648,
                                    .context = 65536,
                                    .vocab = 100278,
                                    .window = 4096,
                                    .full_every = 4,
                                    .base = 500000,
                                    .window_base = 500000,
                                    .scaling = {.kind = rope_scaling::yarn, .factor = 8, .high = 32, .original = 8192},
                                    .epsilon = 1e-6F}>;
using Olmo3Shakespeare = Olmo3<for_characters(Olmo3_7B::config)>;

}  // namespace fauna::inline v0
