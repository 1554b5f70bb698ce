// What config.json says of layers with a gated delta rule between those with attention, in Qwen3-Next and Qwen3.5.
#pragma once
#include <fauna/models/qwen3_next.hpp>
#include <tools/src/dense.hpp>

namespace tool {

template <class C> C read_delta_decoder(Config& c, Absent const& absent) {
  C m = read_decoder<C>(c, absent);
  m.rule_heads = c.whole("linear_num_value_heads", 32);
  m.key_heads = c.whole("linear_num_key_heads", 16);
  if (m.rule_heads % m.key_heads != 0)
    c.wrong("linear_num_key_heads", "a number that divides the " + std::to_string(m.rule_heads) + " heads of values");
  m.keys = c.whole("linear_key_head_dim", 128);
  m.values = c.whole("linear_value_head_dim", 128);
  m.taps = c.whole("linear_conv_kernel_dim", 4);
  m.full_every = c.whole("full_attention_interval", 4);
  if (c.has("layer_types")) m.full_every = every(c, "layer_types", m.layers, "full_attention", "linear_attention");
  m.qkv_bias = m.out_bias = c.flag("attention_bias", false);
  c.only("use_sliding_window", false);
  return m;
}

template <class C> Config::Json delta_decoder_json(C const& m, const char* type, const char* causal, Absent const& a) {
  Config::Json j = decoder_json(m, type, causal, a);
  j["linear_num_value_heads"] = m.rule_heads;
  j["linear_num_key_heads"] = m.key_heads;
  j["linear_key_head_dim"] = m.keys;
  j["linear_value_head_dim"] = m.values;
  j["linear_conv_kernel_dim"] = m.taps;
  for (int i = 0; i < m.layers; ++i)
    j["layer_types"].push_back((i + 1) % m.full_every == 0 ? "full_attention" : "linear_attention");
  j["attention_bias"] = both_biases(m);
  return j;
}

}  // namespace tool
