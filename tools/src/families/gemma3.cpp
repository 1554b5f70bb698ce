// Gemma 3, its text models.
#include <fauna/models/gemma3.hpp>
#include <tools/src/dense.hpp>
#include <tools/src/family.hpp>
#include <tools/src/gguf_fields.hpp>

namespace tool {
namespace {

struct Gemma3 {
  using config = fauna::Gemma3Config;
  static constexpr const char *model_type = "gemma3_text", *causal = "Gemma3ForCausalLM", *headless = "Gemma3TextModel";
  static constexpr Absent absent{.context = 131072,
                                 .epsilon = 1e-6,
                                 .base = 1000000,
                                 .tied = true,
                                 .window = 4096,
                                 .act = "gelu_pytorch_tanh",
                                 .act_field = "hidden_activation"};
  static std::vector<std::pair<const char*, config>> presets() {
    return {{"gemma-3-shakespeare", fauna::Gemma3Shakespeare::config},
            {"gemma-3-270m", fauna::Gemma3_270M::config},
            {"gemma-3-1b", fauna::Gemma3_1B::config}};
  }

  static config read(Config& c) {
    config m = read_decoder<config>(c, absent);
    read_window(c, m, 6, absent);
    m.window_base = window_rope_base(c, 10000);
    m.score_scale = 1 / std::sqrt(c.positive("query_pre_attn_scalar", 256));
    m.score_cap = cap_of(c, "attn_logit_softcapping", 0);
    m.logit_cap = cap_of(c, "final_logit_softcapping", 0);
    c.only("hidden_act", "gelu_pytorch_tanh");
    m.qkv_bias = m.out_bias = c.flag("attention_bias", false);
    c.only("use_bidirectional_attention", false);
    return m;
  }

  static Config::Json write(config const& m) {
    Config::Json j = decoder_json(m, model_type, causal, absent);
    j["query_pre_attn_scalar"] = whole_if_close(1 / (m.score_scale * m.score_scale));
    if (m.score_cap > 0) j["attn_logit_softcapping"] = shortest(m.score_cap);
    else j["attn_logit_softcapping"] = nullptr;
    if (m.logit_cap > 0) j["final_logit_softcapping"] = shortest(m.logit_cap);
    else j["final_logit_softcapping"] = nullptr;
    window_json(m, j);
    j["rope_local_base_freq"] = m.window_base;
    j["attention_bias"] = both_biases(m);
    return j;
  }

  static constexpr const char* gguf_name = "gemma3";
  template <class Io> static void gguf(Io& io) {
    gguf_decoder(io);
    io.whole("attention.sliding_window", &config::window);
    // What the files do not say is as llama.cpp has it: of six layers five have a window, whose rotary base is 10000;
    // scores are divided by the root of a head's size, in the model of 62 layers by that of width / heads.
    io.period(&config::full_every, 6, "attention.sliding_window_pattern");
    io.accepted("rope.freq_base_swa", &config::window_base, 10000.0);
    config const& m = io.get();
    io.accepted("attention.scale", &config::score_scale,
                1 / std::sqrt(static_cast<double>(m.layers == 62 ? m.width / m.heads : m.head_size)));
    io.accepted("attn_logit_softcapping", &config::score_cap, 0.0F);
    io.accepted("final_logit_softcapping", &config::logit_cap, 0.0F);
  }
};

const Registered<Gemma3> registered_gemma3;

}  // namespace
}  // namespace tool
