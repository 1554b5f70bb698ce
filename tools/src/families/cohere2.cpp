// Command R7B.
#include <fauna/models/cohere2.hpp>
#include <tools/src/dense.hpp>
#include <tools/src/family.hpp>
#include <tools/src/gguf_fields.hpp>

namespace tool {
namespace {

struct Cohere2 {
  using config = fauna::Cohere2Config;
  static constexpr const char *model_type = "cohere2", *causal = "Cohere2ForCausalLM", *headless = "Cohere2Model";
  static constexpr Absent absent{.context = 8192, .tied = true, .window = 4096, .epsilon_field = "layer_norm_eps"};
  static std::vector<std::pair<const char*, config>> presets() {
    return {{"cohere2-shakespeare", fauna::Cohere2Shakespeare::config}, {"command-r7b", fauna::CommandR7B::config}};
  }

  static config read(Config& c) {
    config m = read_decoder<config>(c, absent);
    read_window(c, m, 4, absent);
    m.logit_scale = c.positive("logit_scale", 0.0625);
    m.qkv_bias = m.out_bias = c.flag("attention_bias", false);
    c.without_effect({"order_of_interleaved_layers", "rotary_pct", "use_embedding_sharing", "use_gated_activation",
                      "use_parallel_block", "use_parallel_embedding", "use_qk_norm", "position_embedding_type"});
    return m;
  }

  static Config::Json write(config const& m) {
    Config::Json j = decoder_json(m, model_type, causal, absent);
    window_json(m, j);
    j["logit_scale"] = m.logit_scale;
    j["attention_bias"] = both_biases(m);
    return j;
  }

  static constexpr const char* gguf_name = "cohere2";
  template <class Io> static void gguf(Io& io) {
    gguf_decoder(io, layer_epsilon);
    io.whole("attention.sliding_window", &config::window);
    gguf_windows(io, 4);
    io.real("logit_scale", &config::logit_scale, 1);
  }
};

const Registered<Cohere2> registered_cohere2;

}  // namespace
}  // namespace tool
