// RWKV-4. In transformers' directories it is `rwkv`; the author's files come without a config.json, and their tensors
// say what the model is.
#include <fauna/models/rwkv4.hpp>
#include <tools/src/family.hpp>
#include <tools/src/fields.hpp>
#include <tools/src/rwkv_tensors.hpp>

namespace tool {
namespace {

struct Rwkv4 {
  using config = fauna::Rwkv4Config;
  static constexpr const char *model_type = "rwkv", *causal = "RwkvForCausalLM", *headless = "RwkvModel";
  static std::vector<std::pair<const char*, config>> presets() {
    return {{"rwkv4-shakespeare", fauna::Rwkv4Shakespeare::config},
            {"rwkv4-169m", fauna::Rwkv4_169M::config},
            {"rwkv4-430m", fauna::Rwkv4_430M::config},
            {"rwkv4-1b5", fauna::Rwkv4_1_5B::config},
            {"rwkv4-3b", fauna::Rwkv4_3B::config},
            {"rwkv4-7b", fauna::Rwkv4_7B::config},
            {"rwkv4-14b", fauna::Rwkv4_14B::config}};
  }

  static config read(Config& c) {
    config m{.layers = c.whole("num_hidden_layers"), .width = c.whole("hidden_size")};
    m.hidden = c.whole("intermediate_size", 4 * m.width);
    m.vocab = c.whole("vocab_size");
    if (m.layers < 2) c.wrong("num_hidden_layers", "2 or more");
    if (c.whole("attention_hidden_size", m.width) != m.width)
      c.wrong("attention_hidden_size", "the width of " + std::to_string(m.width));
    // A state has no length; halved streams are normalised (models/rwkv4.hpp).
    c.without_effect({"context_length", "rescale_every"});
    c.only("layer_norm_epsilon", 1e-5);
    c.only("tie_word_embeddings", false);
    return m;
  }

  static Config::Json write(config const& c) {
    return {{"model_type", "rwkv"},   {"architectures", {"RwkvForCausalLM"}}, {"num_hidden_layers", c.layers},
            {"hidden_size", c.width}, {"attention_hidden_size", c.width},     {"intermediate_size", c.hidden},
            {"vocab_size", c.vocab},  {"layer_norm_epsilon", 1e-5},           {"tie_word_embeddings", false}};
  }

  /// Nothing for tensors of another family.
  static std::optional<config> of_tensors(fauna::TensorFile const& file) {
    if (file.find("blocks.0.att.time_first") == nullptr || file.find("blocks.0.att.ln_x.weight") != nullptr) return {};
    const RwkvTensors tensors(file, "RWKV-4");
    return config{.layers = tensors.layers(),
                  .width = tensors.size("emb.weight", 1),
                  .hidden = tensors.size("blocks.0.ffn.key.weight", 0),
                  .vocab = tensors.size("emb.weight", 0)};
  }
};

const Registered<Rwkv4> registered_rwkv4;

}  // namespace
}  // namespace tool
