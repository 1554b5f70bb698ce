// RWKV-6. Its weights come without a config.json: the tensors say what the model is.
#include <fauna/models/rwkv6.hpp>
#include <tools/src/family.hpp>
#include <tools/src/fields.hpp>
#include <tools/src/rwkv_tensors.hpp>

namespace tool {
namespace {

struct Rwkv6 {
  using config = fauna::Rwkv6Config;
  static constexpr const char *model_type = "rwkv6", *causal = "Rwkv6ForCausalLM", *headless = "Rwkv6Model";
  static std::vector<std::pair<const char*, config>> presets() {
    return {{"rwkv6-shakespeare", fauna::Rwkv6Shakespeare::config},
            {"rwkv6-0.1b", fauna::Rwkv6_0_1B::config},
            {"rwkv6-0.4b", fauna::Rwkv6_0_4B::config},
            {"rwkv6-1b5", fauna::Rwkv6_1_5B::config},
            {"rwkv6-3b", fauna::Rwkv6_3B::config},
            {"rwkv6-7b", fauna::Rwkv6_7B::config},
            {"rwkv6-14b", fauna::Rwkv6_14B::config}};
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
    m.mix = c.whole("mix_low_rank_dim", 32);
    m.decay = c.whole("decay_low_rank_dim", 64);
    m.divisor = c.whole("head_size_divisor", 8);
    m.vocab = c.whole("vocab_size");
    // Against the range of f16: halved streams are normalised.
    c.without_effect({"rescale_every"});
    c.only("layer_norm_epsilon", 1e-5);
    c.only("tie_word_embeddings", false);
    return m;
  }

  static Config::Json write(config const& c) {
    return {{"model_type", "rwkv6"},
            {"architectures", {"Rwkv6ForCausalLM"}},
            {"num_hidden_layers", c.layers},
            {"hidden_size", c.width},
            {"attention_hidden_size", c.width},
            {"head_size", c.width / c.heads},
            {"intermediate_size", c.hidden},
            {"mix_low_rank_dim", c.mix},
            {"decay_low_rank_dim", c.decay},
            {"head_size_divisor", c.divisor},
            {"vocab_size", c.vocab},
            {"layer_norm_epsilon", 1e-5},
            {"tie_word_embeddings", false}};
  }

  /// Nothing for tensors of another family. No file says what the author divided by: 8 for heads of 64, as published,
  /// and 1 for others, as rwkv.cpp's own tiny models have it.
  static std::optional<config> of_tensors(fauna::TensorFile const& file) {
    if (file.find("blocks.0.att.time_maa_x") == nullptr) return {};
    const RwkvTensors tensors(file, "RWKV-6");
    (void)tensors.size("blocks.0.att.gate.weight", 0);  // variants of training have another gate, or none
    config m{.layers = tensors.layers(),
             .heads = tensors.size("blocks.0.att.time_faaaa", 0),
             .width = tensors.size("emb.weight", 1),
             .hidden = tensors.size("blocks.0.ffn.key.weight", 0)};
    m.mix = tensors.rank("blocks.0.att.time_maa_w1") / 5;
    m.decay = tensors.rank("blocks.0.att.time_decay_w1");
    m.divisor = tensors.size("blocks.0.att.time_faaaa", 1) == 64 ? 8 : 1;
    m.vocab = tensors.size("emb.weight", 0);
    return m;
  }
};

const Registered<Rwkv6> registered_rwkv6;

}  // namespace
}  // namespace tool
