// RWKV-5.2. Its weights come without a config.json: the tensors say what the model is.
#include <fauna/models/rwkv5.hpp>
#include <tools/src/family.hpp>
#include <tools/src/fields.hpp>
#include <tools/src/rwkv_tensors.hpp>

namespace tool {
namespace {

struct Rwkv5 {
  using config = fauna::Rwkv5Config;
  static constexpr const char *model_type = "rwkv5", *causal = "Rwkv5ForCausalLM", *headless = "Rwkv5Model";
  static std::vector<std::pair<const char*, config>> presets() {
    return {{"rwkv5-shakespeare", fauna::Rwkv5Shakespeare::config},
            {"rwkv5-0.1b", fauna::Rwkv5_0_1B::config},
            {"rwkv5-0.4b", fauna::Rwkv5_0_4B::config},
            {"rwkv5-1b5", fauna::Rwkv5_1_5B::config},
            {"rwkv5-3b", fauna::Rwkv5_3B::config},
            {"rwkv5-7b", fauna::Rwkv5_7B::config}};
  }

  /// The fields of the config.json that RWKV's own conversions have, for weights under the names of .pth files.
  static config read(Config& c) {
    config m{.layers = c.whole("num_hidden_layers"), .width = c.whole("hidden_size")};
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

  static Config::Json write(config const& c) {
    return {{"model_type", "rwkv5"},         {"architectures", {"Rwkv5ForCausalLM"}}, {"num_hidden_layers", c.layers},
            {"hidden_size", c.width},        {"attention_hidden_size", c.width},      {"head_size", c.width / c.heads},
            {"intermediate_size", c.hidden}, {"head_size_divisor", c.divisor},        {"vocab_size", c.vocab},
            {"layer_norm_epsilon", 1e-5},    {"tie_word_embeddings", false}};
  }

  /// Nothing for tensors of another family. No file says what the author divided by: 8 for heads of 64, as published,
  /// and 1 for others, as rwkv.cpp's own tiny models have it.
  static std::optional<config> of_tensors(fauna::TensorFile const& file) {
    if (file.find("blocks.0.att.time_mix_g") == nullptr) return {};
    const RwkvTensors tensors(file, "RWKV-5.2");
    (void)tensors.size("blocks.0.att.gate.weight", 0);  // variants of training have another gate, or none
    config m{.layers = tensors.layers(),
             .heads = tensors.size("blocks.0.att.time_faaaa", 0),
             .width = tensors.size("emb.weight", 1),
             .hidden = tensors.size("blocks.0.ffn.key.weight", 0)};
    m.divisor = tensors.size("blocks.0.att.time_faaaa", 1) == 64 ? 8 : 1;
    m.vocab = tensors.size("emb.weight", 0);
    return m;
  }
};

const Registered<Rwkv5> registered_rwkv5;

}  // namespace
}  // namespace tool
