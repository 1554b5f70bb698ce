// StableLM.
#include <fauna/models/stablelm.hpp>
#include <tools/src/dense.hpp>
#include <tools/src/family.hpp>
#include <tools/src/gguf_fields.hpp>

namespace tool {
namespace {

struct StableLm {
  using config = fauna::StableLmConfig;
  static constexpr const char *model_type = "stablelm", *causal = "StableLmForCausalLM", *headless = "StableLmModel";
  static constexpr Absent absent{.context = 4096, .turned = 0.25, .epsilon_field = "layer_norm_eps"};
  static std::vector<std::pair<const char*, config>> presets() {
    return {{"stablelm-shakespeare", fauna::StableLmShakespeare::config},
            {"stablelm-3b-4e1t", fauna::StableLm3B::config},
            {"stablelm-2-1.6b", fauna::StableLm2_1_6B::config}};
  }

  static config read(Config& c) {
    config m = read_decoder<config>(c, absent);
    m.qkv_bias = c.flag("use_qkv_bias", false);
    c.only("qk_layernorm", false);
    c.only("use_parallel_residual", false);
    return m;
  }

  static Config::Json write(config const& m) {
    Config::Json j = decoder_json(m, model_type, causal, absent);
    j["use_qkv_bias"] = m.qkv_bias;
    return j;
  }

  static constexpr const char* gguf_name = "stablelm";
  template <class Io> static void gguf(Io& io) {
    gguf_decoder(io, layer_epsilon);
    io.tensor("blk.0.attn_q.bias", &config::qkv_bias);
    io.ignored("use_parallel_residual");
  }
};

const Registered<StableLm> registered_stablelm;

}  // namespace
}  // namespace tool
