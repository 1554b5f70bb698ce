// What the readers of RWKV-5.2 and 6 share.
#pragma once
#include <string>

#include <tools/src/config.hpp>
#include <tools/src/rwkv_tensors.hpp>

namespace tool {

/// The fields of the config.json that RWKV's own conversions have, for weights under the names of .pth files.
template <class M> M read_rwkv56(Config& c) {
  M m{.layers = c.whole("num_hidden_layers"), .width = c.whole("hidden_size")};
  const int head = c.whole("head_size", 64);
  if (m.layers < 2) c.wrong("num_hidden_layers", "2 or more");
  if (m.width % head != 0) c.wrong("head_size", "a number that divides the width of " + std::to_string(m.width));
  if (c.whole("attention_hidden_size", m.width) != m.width)
    c.wrong("attention_hidden_size", "the width of " + std::to_string(m.width));
  m.heads = m.width / head;
  m.hidden = c.whole("intermediate_size", m.width * 7 / 2 / 32 * 32);
  m.divisor = c.whole("head_size_divisor", 8);
  m.vocab = c.whole("vocab_size");
  // Against the range of f16: halved streams are normalised.
  c.without_effect({"rescale_every"});
  c.only("layer_norm_epsilon", 1e-5);
  c.only("tie_word_embeddings", false);
  return m;
}

/// `family` is Rwkv5 or Rwkv6, `type` the same without capitals.
template <class M> Config::Json write_rwkv56(M const& c, std::string const& family, std::string const& type) {
  return {{"model_type", type},
          {"architectures", {family + "ForCausalLM"}},
          {"num_hidden_layers", c.layers},
          {"hidden_size", c.width},
          {"attention_hidden_size", c.width},
          {"head_size", c.width / c.heads},
          {"intermediate_size", c.hidden},
          {"head_size_divisor", c.divisor},
          {"vocab_size", c.vocab},
          {"layer_norm_epsilon", 1e-5},
          {"tie_word_embeddings", false}};
}

/// No file says what the author divided by: 8 for heads of 64, as published, and 1 for others, as rwkv.cpp's own tiny
/// models have it.
template <class M> M rwkv56_of(RwkvTensors const& tensors) {
  (void)tensors.size("blocks.0.att.gate.weight", 0);  // variants of training have another gate, or none
  M m{.layers = tensors.layers(),
      .heads = tensors.size("blocks.0.att.time_faaaa", 0),
      .width = tensors.size("emb.weight", 1),
      .hidden = tensors.size("blocks.0.ffn.key.weight", 0)};
  m.divisor = tensors.size("blocks.0.att.time_faaaa", 1) == 64 ? 8 : 1;
  m.vocab = tensors.size("emb.weight", 0);
  return m;
}

}  // namespace tool
