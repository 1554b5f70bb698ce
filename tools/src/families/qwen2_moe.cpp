// Qwen2-MoE and Qwen1.5-MoE.
#include <fauna/models/qwen2_moe.hpp>
#include <tools/src/family.hpp>
#include <tools/src/gguf_fields.hpp>
#include <tools/src/moe_fields.hpp>

namespace tool {
namespace {

struct Qwen2Moe {
  using config = fauna::Qwen2MoeConfig;
  static constexpr const char *model_type = "qwen2_moe", *causal = "Qwen2MoeForCausalLM", *headless = "Qwen2MoeModel";
  static constexpr Absent absent{.context = 32768, .epsilon = 1e-6, .uses_window = false};
  static std::vector<std::pair<const char*, config>> presets() {
    return {{"qwen2moe-shakespeare", fauna::Qwen2MoeShakespeare::config},
            {"qwen1.5-moe-a2.7b", fauna::Qwen15Moe_A2_7B::config},
            {"qwen2-57b-a14b", fauna::Qwen2Moe_57B_A14B::config}};
  }

  static config read(Config& c) {
    config m = read_decoder<config>(c, absent);
    read_mixture(c, m);
    m.shared_hidden = c.whole("shared_expert_intermediate_size");
    c.only("use_sliding_window", false);
    c.without_effect({"sliding_window", "max_window_layers"});
    if (c.has("layer_types")) every(c, "layer_types", m.layers, "full_attention", "full_attention");
    m.qkv_bias = c.flag("qkv_bias", true);
    return m;
  }

  static Config::Json write(config const& m) {
    if (m.out_bias)
      fauna::fail("fauna", fauna::to_text(m), "no bias in the projection out of attention",
                  "the reference library has no field for one in this family");
    Config::Json j = decoder_json(m, model_type, causal, absent);
    mixture_json(m, j);
    j["shared_expert_intermediate_size"] = m.shared_hidden;
    j["use_sliding_window"] = false;
    j["qkv_bias"] = m.qkv_bias;
    return j;
  }

  static constexpr const char* gguf_name = "qwen2moe";
  template <class Io> static void gguf(Io& io) {
    gguf_decoder(io);
    gguf_mixture(io);
    io.whole("expert_shared_feed_forward_length", &config::shared_hidden);
    io.implied(&config::renormalised, false);
    io.tensor("blk.0.attn_q.bias", &config::qkv_bias);
  }
};

const Registered<Qwen2Moe> registered_qwen2_moe;

}  // namespace
}  // namespace tool
