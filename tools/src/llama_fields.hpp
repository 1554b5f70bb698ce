// config.json of Llama, and of drafters whose layer is one of Llama's.
#pragma once
#include <fauna/models/llama.hpp>
#include <tools/src/dense.hpp>

namespace tool {

inline fauna::LlamaConfig read_llama(Config& c) {
  fauna::LlamaConfig l;
  read_sizes(c, l, {.epsilon = 1e-6});
  const Rope rope = rope_of(c, {.context = l.context});
  if (rope.fraction != 1)
    c.wrong(c.has("partial_rotary_factor") ? "partial_rotary_factor" : rope.inside,
            "a partial_rotary_factor of 1, the only one that is implemented for llama");
  l.base = rope.base;
  l.scaling = rope.scaling;
  l.attention_bias = c.flag("attention_bias", false);
  l.mlp_bias = c.flag("mlp_bias", false);
  l.act = c.one_of("hidden_act", activations(), "silu");
  c.only("rope_interleaved", false);
  return l;
}

inline Config::Json llama_json(fauna::LlamaConfig const& c, const char* model_type, const char* causal) {
  Config::Json j = sizes_json(c, model_type, causal);
  j["rope_scaling"] = scaling_json(c.scaling);
  j["attention_bias"] = c.attention_bias;
  j["mlp_bias"] = c.mlp_bias;
  j["hidden_act"] = reference_name(c.act);
  return j;
}

}  // namespace tool
