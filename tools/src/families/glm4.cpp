// GLM-4.
#include <fauna/models/glm4.hpp>
#include <tools/src/dense.hpp>
#include <tools/src/family.hpp>
#include <tools/src/gguf_fields.hpp>

namespace tool {
namespace {

struct Glm4 {
  using config = fauna::Glm4Config;
  static constexpr const char *model_type = "glm4", *causal = "Glm4ForCausalLM", *headless = "Glm4Model";
  static constexpr Absent absent{.context = 131072, .epsilon = 1.5625e-7, .turned = 0.5};
  static std::vector<std::pair<const char*, config>> presets() {
    return {{"glm-4-shakespeare", fauna::Glm4Shakespeare::config}, {"glm-4-9b", fauna::Glm4_9B::config}};
  }

  static config read(Config& c) {
    config m = read_decoder<config>(c, absent);
    m.qkv_bias = c.flag("attention_bias", false);
    return m;
  }

  static Config::Json write(config const& m) {
    Config::Json j = decoder_json(m, model_type, causal, absent);
    j["attention_bias"] = m.qkv_bias;
    return j;
  }

  static constexpr const char* gguf_name = "glm4";
  template <class Io> static void gguf(Io& io) {
    gguf_decoder(io);
    io.tensor("blk.0.attn_q.bias", &config::qkv_bias);
  }
};

const Registered<Glm4> registered_glm4;

}  // namespace
}  // namespace tool
