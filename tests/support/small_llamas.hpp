// Two small Llamas that together have every option.
#pragma once
#include <fauna/models/llama.hpp>

namespace test {

using namespace fauna;

using Tied = Llama<LlamaConfig{.layers = 2,
                               .heads = 4,
                               .kv_heads = 2,
                               .head_size = 6,
                               .width = 16,
                               .hidden = 20,
                               .context = 64,
                               .vocab = 11,
                               .scaling = {.kind = rope_scaling::llama3, .factor = 8, .original = 16},
                               .tied = true}>;
using Untied = Llama<LlamaConfig{.layers = 2,
                                 .heads = 3,
                                 .kv_heads = 1,
                                 .head_size = 8,
                                 .width = 16,
                                 .hidden = 24,
                                 .context = 64,
                                 .vocab = 13,
                                 .base = 500,
                                 .epsilon = 1e-3F,
                                 .attention_bias = true,
                                 .mlp_bias = true,
                                 .act = activation::gelu_tanh}>;

}  // namespace test
