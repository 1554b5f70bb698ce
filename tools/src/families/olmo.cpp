// OLMo.
#include <fauna/models/olmo.hpp>
#include <tools/src/dense.hpp>
#include <tools/src/family.hpp>
#include <tools/src/gguf_fields.hpp>

namespace tool {
namespace {

struct Olmo {
  using config = fauna::OlmoConfig;
  static constexpr const char *model_type = "olmo", *causal = "OlmoForCausalLM", *headless = "OlmoModel";
  static constexpr Absent absent{};
  static std::vector<std::pair<const char*, config>> presets() {
    return {{"olmo-shakespeare", fauna::OlmoShakespeare::config},
            {"olmo-1b", fauna::Olmo1B::config},
            {"olmo-7b", fauna::Olmo7B::config}};
  }

  static config read(Config& c) {
    config m = read_decoder<config>(c, absent);
    c.only("layer_norm_eps", 1e-5);
    m.qkv_bias = m.out_bias = c.flag("attention_bias", false);
    if (c.has("clip_qkv")) m.clip = c.positive("clip_qkv");
    c.without_effect({"pretraining_tp"});
    return m;
  }

  static Config::Json write(config const& m) {
    Config::Json j = decoder_json(m, model_type, causal, absent);
    j.erase(absent.epsilon_field);
    j["attention_bias"] = both_biases(m);
    if (m.clip > 0) j["clip_qkv"] = m.clip;
    return j;
  }

  static constexpr const char* gguf_name = "olmo";
  template <class Io> static void gguf(Io& io) {
    gguf_decoder(io, layer_epsilon);
    io.option("attention.clamp_kqv", &config::clip, 0.0);
  }
};

const Registered<Olmo> registered_olmo;

}  // namespace
}  // namespace tool
