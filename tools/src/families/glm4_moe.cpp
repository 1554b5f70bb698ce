// GLM-4.5.
#include <fauna/models/glm4_moe.hpp>
#include <tools/src/family.hpp>
#include <tools/src/gguf_fields.hpp>
#include <tools/src/moe_fields.hpp>

namespace tool {
namespace {

struct Glm4Moe {
  using config = fauna::Glm4MoeConfig;
  static constexpr const char *model_type = "glm4_moe", *causal = "Glm4MoeForCausalLM", *headless = "Glm4MoeModel";
  static constexpr Absent absent{.context = 131072, .turned = 0.5};
  static std::vector<std::pair<const char*, config>> presets() {
    return {{"glm-4.5-shakespeare", fauna::Glm4MoeShakespeare::config}, {"glm-4.5-air", fauna::Glm45Air::config}};
  }

  static config read(Config& c) {
    config m = read_decoder<config>(c, absent);
    read_grouped_mixture(c, m);
    m.qkv_bias = c.flag("attention_bias", false);
    c.only("use_qk_norm", false);
    return m;
  }

  static Config::Json write(config const& m) {
    if (m.out_bias)
      fauna::fail("fauna", fauna::to_text(m), "no bias in the projection out of attention",
                  "the reference library has no field for one in this family");
    Config::Json j = decoder_json(m, model_type, causal, absent);
    grouped_mixture_json(m, j);
    j["attention_bias"] = m.qkv_bias;
    j["use_qk_norm"] = false;
    return j;
  }

  static constexpr const char* gguf_name = "glm4moe";
  template <class Io> static void gguf(Io& io) {
    gguf_decoder(io, rms_epsilon, io.get().dense == 0);
    gguf_grouped_mixture(io, gates_sigmoid);
    io.tensor("blk.0.attn_q.bias", &config::qkv_bias);
  }
};

const Registered<Glm4Moe> registered_glm4_moe;

}  // namespace
}  // namespace tool
