// Qwen2 and Qwen2.5.
#include <fauna/models/qwen2.hpp>
#include <tools/src/dense.hpp>
#include <tools/src/family.hpp>
#include <tools/src/gguf_fields.hpp>

namespace tool {
namespace {

struct Qwen2 {
  using config = fauna::Qwen2Config;
  static constexpr const char *model_type = "qwen2", *causal = "Qwen2ForCausalLM", *headless = "Qwen2Model";
  static constexpr Absent absent{.context = 32768, .epsilon = 1e-6, .uses_window = false};
  static std::vector<std::pair<const char*, config>> presets() {
    return {{"qwen2-shakespeare", fauna::Qwen2Shakespeare::config},
            {"qwen2.5-0.5b", fauna::Qwen25_0_5B::config},
            {"qwen2.5-1.5b", fauna::Qwen25_1_5B::config},
            {"qwen2.5-7b", fauna::Qwen25_7B::config}};
  }

  static config read(Config& c) {
    config m = read_decoder<config>(c, absent);
    read_window(c, m, fauna::unbounded, absent);
    if (m.window != fauna::unbounded && !c.has("layer_types")) c.only("max_window_layers", 0);
    return m;
  }

  static Config::Json write(config const& m) {
    Config::Json j = decoder_json(m, model_type, causal, absent);
    window_json(m, j);
    j["use_sliding_window"] = m.window != fauna::unbounded;
    return j;
  }

  static constexpr const char* gguf_name = "qwen2";
  template <class Io> static void gguf(Io& io) {
    gguf_decoder(io);
    io.tensor("blk.0.attn_q.bias", &config::qkv_bias);
  }
};

const Registered<Qwen2> registered_qwen2;

}  // namespace
}  // namespace tool
