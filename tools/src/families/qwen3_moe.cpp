// Qwen3-MoE.
#include <fauna/models/qwen3_moe.hpp>
#include <tools/src/family.hpp>
#include <tools/src/gguf_fields.hpp>
#include <tools/src/moe_fields.hpp>

namespace tool {
namespace {

struct Qwen3Moe {
  using config = fauna::Qwen3MoeConfig;
  static constexpr const char *model_type = "qwen3_moe", *causal = "Qwen3MoeForCausalLM", *headless = "Qwen3MoeModel";
  static constexpr Absent absent{.context = 32768, .epsilon = 1e-6, .uses_window = false};
  static std::vector<std::pair<const char*, config>> presets() {
    return {{"qwen3moe-shakespeare", fauna::Qwen3MoeShakespeare::config},
            {"qwen3-30b-a3b", fauna::Qwen3_30B_A3B::config},
            {"qwen3-235b-a22b", fauna::Qwen3_235B_A22B::config}};
  }

  static config read(Config& c) {
    config m = read_decoder<config>(c, absent);
    read_mixture(c, m);
    c.only("use_sliding_window", false);
    c.without_effect({"sliding_window", "max_window_layers"});
    m.qkv_bias = m.out_bias = c.flag("attention_bias", false);
    return m;
  }

  static Config::Json write(config const& m) {
    Config::Json j = decoder_json(m, model_type, causal, absent);
    mixture_json(m, j);
    j["use_sliding_window"] = false;
    j["attention_bias"] = both_biases(m);
    return j;
  }

  static constexpr const char* gguf_name = "qwen3moe";
  template <class Io> static void gguf(Io& io) {
    gguf_decoder(io);
    gguf_mixture(io);
    io.implied(&config::renormalised, true);
  }
};

const Registered<Qwen3Moe> registered_qwen3_moe;

}  // namespace
}  // namespace tool
