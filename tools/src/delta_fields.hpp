// What config.json says of layers with a gated delta rule between those with attention, in Qwen3-Next and Qwen3.5.
#pragma once
#include <fauna/models/qwen3_next.hpp>
#include <tools/src/hybrid_fields.hpp>

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
  const int interval = c.whole("full_attention_interval", 4);
  if (m.layers > 127) c.wrong("num_hidden_layers", "at most 127");
  std::string all;
  for (int l = 1; l <= m.layers; ++l) all += l % interval == 0 ? 'a' : 'g';
  m.mixers = c.has("layer_types")
                 ? layer_kinds(c, "layer_types", m.layers, {{"full_attention", 'a'}, {"linear_attention", 'g'}})
                 : shortest_round(all);
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
  j["layer_types"] = kinds_json(m.mixers, m.layers, {{'a', "full_attention"}, {'g', "linear_attention"}});
  j["attention_bias"] = both_biases(m);
  return j;
}

/// Throws unless all layers have experts.
template <class C> void all_experts(C const& m) {
  if (m.mlps != fauna::letters("e") || m.dense > 0)
    fauna::fail("fauna", fauna::to_text(m), "experts in every layer", "others are not written for this family");
}

}  // namespace tool
