// Granite 3.
#include <fauna/models/granite.hpp>
#include <tools/src/dense.hpp>
#include <tools/src/family.hpp>
#include <tools/src/gguf_fields.hpp>

namespace tool {
namespace {

struct Granite {
  using config = fauna::GraniteConfig;
  static constexpr const char *model_type = "granite", *causal = "GraniteForCausalLM", *headless = "GraniteModel";
  static constexpr Absent absent{.epsilon = 1e-6};
  static std::vector<std::pair<const char*, config>> presets() {
    return {{"granite-shakespeare", fauna::GraniteShakespeare::config},
            {"granite-3.1-2b", fauna::Granite31_2B::config},
            {"granite-3.1-8b", fauna::Granite31_8B::config}};
  }

  static config read(Config& c) {
    config m = read_decoder<config>(c, absent);
    read_multipliers(c, m);
    m.qkv_bias = m.out_bias = c.flag("attention_bias", false);
    m.mlp_bias = c.flag("mlp_bias", false);
    c.without_effect({"pretraining_tp"});
    return m;
  }

  static Config::Json write(config const& m) {
    Config::Json j = decoder_json(m, model_type, causal, absent);
    multipliers_json(m, j);
    j["attention_bias"] = both_biases(m);
    j["mlp_bias"] = m.mlp_bias;
    return j;
  }

  static constexpr const char* gguf_name = "granite";
  template <class Io> static void gguf(Io& io) {
    gguf_decoder(io);
    gguf_score_scale(io);
    io.real("embedding_scale", &config::embedding_scale, 1);
    io.real("residual_scale", &config::residual_scale, 1);
    io.inverse("logit_scale", &config::logit_scale);
  }
};

const Registered<Granite> registered_granite;

}  // namespace
}  // namespace tool
