// StarCoder2.
#include <fauna/models/starcoder2.hpp>
#include <tools/src/dense.hpp>
#include <tools/src/family.hpp>
#include <tools/src/gguf_fields.hpp>

namespace tool {
namespace {

struct StarCoder2 {
  using config = fauna::StarCoder2Config;
  static constexpr const char *model_type = "starcoder2", *causal = "Starcoder2ForCausalLM",
                              *headless = "Starcoder2Model";
  static constexpr Absent absent{
      .context = 4096, .tied = true, .act = "gelu_pytorch_tanh", .epsilon_field = "norm_epsilon"};
  static std::vector<std::pair<const char*, config>> presets() {
    return {{"starcoder2-shakespeare", fauna::StarCoder2Shakespeare::config},
            {"starcoder2-3b", fauna::StarCoder2_3B::config}};
  }

  static config read(Config& c) {
    config m = read_decoder<config>(c, absent);
    read_window(c, m, fauna::unbounded, absent);
    m.qkv_bias = m.out_bias = m.mlp_bias = c.flag("use_bias", true);
    c.only("mlp_type", "default");
    c.only("norm_type", "layer_norm");
    for (const char* dropout : {"embedding_dropout", "residual_dropout"})
      if (c.use().training) c.only(dropout, 0);
      else c.without_effect({dropout});
    return m;
  }

  static Config::Json write(config const& m) {
    Config::Json j = decoder_json(m, model_type, causal, absent);
    j["use_bias"] = both_biases(m);
    window_json(m, j);
    return j;
  }

  static constexpr const char* gguf_name = "starcoder2";
  template <class Io> static void gguf(Io& io) {
    gguf_decoder(io, layer_epsilon);
    for (bool config::*bias : {&config::qkv_bias, &config::out_bias, &config::mlp_bias}) io.implied(bias, true);
    gguf_window(io);
  }
};

const Registered<StarCoder2> registered_starcoder2;

}  // namespace
}  // namespace tool
