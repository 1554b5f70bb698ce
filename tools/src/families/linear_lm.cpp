// Language models around a linear recurrence, for comparing one with another. No reference library has them:
// config.json is ours.
#include <fauna/models/linear_lm.hpp>
#include <tools/src/family.hpp>
#include <tools/src/fields.hpp>

namespace tool {
namespace {

struct LinearLm {
  using config = fauna::LinearLmConfig;
  static constexpr const char *model_type = "recurrent_lm", *causal = "RecurrentLmForCausalLM",
                              *headless = "RecurrentLmModel";
  static std::vector<std::pair<const char*, config>> presets() {
    return {{"retnet-shakespeare", fauna::RetNetShakespeare::config},
            {"gla-shakespeare", fauna::GlaShakespeare::config},
            {"deltanet-shakespeare", fauna::DeltaNetShakespeare::config},
            {"gated-deltanet-shakespeare", fauna::GatedDeltaNetShakespeare::config},
            {"kda-shakespeare", fauna::KdaShakespeare::config},
            {"mlstm-shakespeare", fauna::MlstmShakespeare::config},
            {"rg-lru-shakespeare", fauna::RgLruShakespeare::config},
            {"mamba3-shakespeare", fauna::Mamba3Shakespeare::config}};
  }

  static config read(Config& c) {
    std::map<std::string, fauna::mixing> known;
    for (int i = 0; i <= static_cast<int>(fauna::mixing::mamba3); ++i)
      known.emplace(fauna::name_of(static_cast<fauna::mixing>(i)), static_cast<fauna::mixing>(i));
    config m{.mixer = c.one_of("mixer", known, "gated_deltanet"), .layers = c.whole("num_hidden_layers")};
    m.heads = c.whole("num_heads");
    m.keys = c.whole("key_head_dim");
    m.values = c.whole("value_head_dim");
    m.width = c.whole("hidden_size");
    m.hidden = c.whole("intermediate_size");
    m.vocab = c.whole("vocab_size");
    m.epsilon = static_cast<float>(c.positive("norm_eps", 1e-5));
    c.only("tie_word_embeddings", true);
    return m;
  }

  static Config::Json write(config const& c) {
    return {{"model_type", "recurrent_lm"},
            {"architectures", {"RecurrentLmForCausalLM"}},
            {"mixer", fauna::name_of(c.mixer)},
            {"num_hidden_layers", c.layers},
            {"num_heads", c.heads},
            {"key_head_dim", c.keys},
            {"value_head_dim", c.values},
            {"hidden_size", c.width},
            {"intermediate_size", c.hidden},
            {"vocab_size", c.vocab},
            {"norm_eps", shortest(c.epsilon)},
            {"tie_word_embeddings", true}};
  }
};

const Registered<LinearLm> registered_linearlm;

}  // namespace
}  // namespace tool
