// Qwen3.
#include <fauna/models/qwen3.hpp>
#include <tools/src/dense.hpp>
#include <tools/src/family.hpp>
#include <tools/src/gguf_fields.hpp>

namespace tool {
namespace {

struct Qwen3 {
  using config = fauna::Qwen3Config;
  static constexpr const char *model_type = "qwen3", *causal = "Qwen3ForCausalLM", *headless = "Qwen3Model";
  static constexpr Absent absent{.context = 32768, .epsilon = 1e-6, .uses_window = false};
  static std::vector<std::pair<const char*, config>> presets() {
    return {{"qwen3-shakespeare", fauna::Qwen3Shakespeare::config},
            {"qwen3-0.6b", fauna::Qwen3_0_6B::config},
            {"qwen3-8b", fauna::Qwen3_8B::config}};
  }

  static config read(Config& c) {
    config m = read_decoder<config>(c, absent);
    read_window(c, m, fauna::unbounded, absent);
    if (m.window != fauna::unbounded && !c.has("layer_types")) c.only("max_window_layers", 0);
    m.qkv_bias = m.out_bias = c.flag("attention_bias", false);
    return m;
  }

  static Config::Json write(config const& m) {
    Config::Json j = decoder_json(m, model_type, causal, absent);
    window_json(m, j);
    j["use_sliding_window"] = m.window != fauna::unbounded;
    j["attention_bias"] = both_biases(m);
    return j;
  }

  static constexpr const char* gguf_name = "qwen3";
  template <class Io> static void gguf(Io& io) { gguf_decoder(io); }
};

const Registered<Qwen3> registered_qwen3;

}  // namespace
}  // namespace tool
