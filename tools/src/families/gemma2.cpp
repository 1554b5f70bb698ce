// Gemma 2.
#include <fauna/models/gemma2.hpp>
#include <tools/src/dense.hpp>
#include <tools/src/family.hpp>
#include <tools/src/gguf_fields.hpp>

namespace tool {
namespace {

struct Gemma2 {
  using config = fauna::Gemma2Config;
  static constexpr const char *model_type = "gemma2", *causal = "Gemma2ForCausalLM", *headless = "Gemma2Model";
  static constexpr Absent absent{.context = 8192,
                                 .epsilon = 1e-6,
                                 .tied = true,
                                 .window = 4096,
                                 .act = "gelu_pytorch_tanh",
                                 .act_field = "hidden_activation"};
  static std::vector<std::pair<const char*, config>> presets() {
    return {{"gemma-2-shakespeare", fauna::Gemma2Shakespeare::config},
            {"gemma-2-2b", fauna::Gemma2_2B::config},
            {"gemma-2-9b", fauna::Gemma2_9B::config},
            {"gemma-2-27b", fauna::Gemma2_27B::config}};
  }

  static config read(Config& c) {
    config m = read_decoder<config>(c, absent);
    read_window(c, m, 2, absent);
    m.score_scale = 1 / std::sqrt(c.positive("query_pre_attn_scalar", 256));
    m.score_cap = cap_of(c, "attn_logit_softcapping", 50);
    m.logit_cap = cap_of(c, "final_logit_softcapping", 30);
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
    j["attention_bias"] = both_biases(m);
    return j;
  }

  static constexpr const char* gguf_name = "gemma2";
  template <class Io> static void gguf(Io& io) {
    gguf_decoder(io);
    io.whole("attention.sliding_window", &config::window, 4096);
    gguf_windows(io, 2);
    config const& m = io.get();
    // In the model of 46 layers scores are divided by the root of width / heads.
    io.accepted("attention.scale", &config::score_scale,
                1 / std::sqrt(static_cast<double>(m.layers == 46 ? m.width / m.heads : m.head_size)));
    // llama.cpp caps in any case.
    io.real("attn_logit_softcapping", &config::score_cap, 50);
    io.real("final_logit_softcapping", &config::logit_cap, 30);
    io.check(m.score_cap > 0 && m.logit_cap > 0, "final_logit_softcapping", 0, "caps of scores and of logits");
  }
};

const Registered<Gemma2> registered_gemma2;

}  // namespace
}  // namespace tool
