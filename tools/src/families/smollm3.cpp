// SmolLM3.
#include <fauna/models/smollm3.hpp>
#include <tools/src/dense.hpp>
#include <tools/src/family.hpp>
#include <tools/src/gguf_fields.hpp>

namespace tool {
namespace {

struct SmolLm3 {
  using config = fauna::SmolLm3Config;
  static constexpr const char *model_type = "smollm3", *causal = "SmolLM3ForCausalLM", *headless = "SmolLM3Model";
  static constexpr Absent absent{.context = 32768, .epsilon = 1e-6, .base = 2000000, .tied = true};
  static std::vector<std::pair<const char*, config>> presets() {
    return {{"smollm3-shakespeare", fauna::SmolLm3Shakespeare::config}, {"smollm3-3b", fauna::SmolLm3_3B::config}};
  }

  static config read(Config& c) {
    config m = read_decoder<config>(c, absent);
    const int interval = c.whole("no_rope_layer_interval", 4);  // of files that do not list the layers
    m.full_every = c.has("no_rope_layers") ? every(c, "no_rope_layers", m.layers, 0, 1) : interval;
    m.qkv_bias = m.out_bias = c.flag("attention_bias", false);
    m.mlp_bias = c.flag("mlp_bias", false);
    c.without_effect({"pretraining_tp"});
    return m;
  }

  static Config::Json write(config const& m) {
    Config::Json j = decoder_json(m, model_type, causal, absent);
    j["no_rope_layers"] = Config::Json::array();
    for (int i = 0; i < m.layers; ++i) j["no_rope_layers"].push_back((i + 1) % m.full_every == 0 ? 0 : 1);
    j["attention_bias"] = both_biases(m);
    j["mlp_bias"] = m.mlp_bias;
    return j;
  }

  static constexpr const char* gguf_name = "smollm3";
  template <class Io> static void gguf(Io& io) {
    gguf_decoder(io);
    io.period(&config::full_every, 4);
  }
};

const Registered<SmolLm3> registered_smollm3;

}  // namespace
}  // namespace tool
