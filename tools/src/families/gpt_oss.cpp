// gpt-oss.
#include <fauna/models/gpt_oss.hpp>
#include <tools/src/family.hpp>
#include <tools/src/moe_fields.hpp>

namespace tool {
namespace {

struct GptOss {
  using config = fauna::GptOssConfig;
  static constexpr const char *model_type = "gpt_oss", *causal = "GptOssForCausalLM", *headless = "GptOssModel";
  static constexpr Absent absent{.context = 131072, .base = 150000, .window = 128};
  static std::vector<std::pair<const char*, config>> presets() {
    return {{"gpt-oss-shakespeare", fauna::GptOssShakespeare::config},
            {"gpt-oss-20b", fauna::GptOss20B::config},
            {"gpt-oss-120b", fauna::GptOss120B::config}};
  }

  static config read(Config& c) {
    config m = read_decoder<config>(c, absent);
    if (!c.has("rope_parameters") && !c.has("rope_scaling")) m.scaling = fauna::GptOss20B::config.scaling;
    read_window(c, m, 2, absent);
    read_experts(c, m);
    m.expert_hidden = m.hidden;
    if (Config::Json const* aux = c.find("router_aux_loss_coef")) m.balance = aux->get<float>();
    m.qkv_bias = m.out_bias = c.flag("attention_bias", true);
    m.gate_limit = static_cast<float>(c.positive("swiglu_limit", 7));
    m.gate_slope = static_cast<float>(c.positive("swiglu_alpha", m.gate_slope));
    if (c.has("experts_per_token") && c.whole("experts_per_token") != m.chosen)
      c.wrong("experts_per_token", "num_experts_per_tok, " + std::to_string(m.chosen));
    c.only("hidden_act", "silu");
    c.without_effect({"output_router_logits", "initial_context_length"});
    return m;
  }

  static Config::Json write(config const& m) {
    if (m.hidden != m.expert_hidden || m.act != fauna::activation::silu || !m.renormalised || m.weight_scale != 1)
      fauna::fail("fauna", fauna::to_text(m), "hidden = expert_hidden, silu, the chosen's softmax as weights",
                  "the reference library has no fields for others in this family");
    Config::Json j = decoder_json(m, model_type, causal, absent);
    if (m.scaling.kind == fauna::rope_scaling::none) j["rope_scaling"] = {{"rope_type", "default"}};
    window_json(m, j);
    j["num_local_experts"] = m.experts;
    j["num_experts_per_tok"] = m.chosen;
    j["router_aux_loss_coef"] = shortest(m.balance);
    j["attention_bias"] = both_biases(m);
    j["swiglu_limit"] = shortest(m.gate_limit);
    j["swiglu_alpha"] = shortest(m.gate_slope);
    return j;
  }

  static constexpr const char* gguf_name = "gpt-oss";
  template <class Io> static void gguf(Io& io) {
    gguf_decoder(io);
    gguf_mixture(io);
    io.check(io.get().hidden == io.get().expert_hidden, "feed_forward_length", io.get().hidden,
             "the experts' " + std::to_string(io.get().expert_hidden));
    io.window(&config::window);
    gguf_windows(io, 2);
    io.implied(&config::qkv_bias, true);
    io.implied(&config::out_bias, true);
    io.implied(&config::gate_limit, 7.0F);
    io.implied(&config::gate_slope, 1.702F);
  }
};

const Registered<GptOss> registered_gpt_oss;

}  // namespace
}  // namespace tool
