// Nemotron-4 and Minitron.
#include <fauna/models/nemotron.hpp>
#include <tools/src/dense.hpp>
#include <tools/src/family.hpp>
#include <tools/src/gguf_fields.hpp>

namespace tool {
namespace {

struct Nemotron {
  using config = fauna::NemotronConfig;
  static constexpr const char *model_type = "nemotron", *causal = "NemotronForCausalLM", *headless = "NemotronModel";
  static constexpr Absent absent{.context = 4096, .turned = 0.5, .act = "relu2", .epsilon_field = "norm_eps"};
  static std::vector<std::pair<const char*, config>> presets() {
    return {{"nemotron-shakespeare", fauna::NemotronShakespeare::config},
            {"minitron-4b", fauna::Minitron4B::config},
            {"minitron-8b", fauna::Minitron8B::config}};
  }

  static config read(Config& c) {
    config m = read_decoder<config>(c, absent);
    m.qkv_bias = m.out_bias = c.flag("attention_bias", false);
    m.mlp_bias = c.flag("mlp_bias", false);
    return m;
  }

  static Config::Json write(config const& m) {
    Config::Json j = decoder_json(m, model_type, causal, absent);
    j["attention_bias"] = both_biases(m);
    j["mlp_bias"] = m.mlp_bias;
    return j;
  }

  static constexpr const char* gguf_name = "nemotron";
  template <class Io> static void gguf(Io& io) {
    gguf_decoder(io, layer_epsilon);
    io.tensor("blk.0.attn_q.bias", &config::qkv_bias);
    io.tensor("blk.0.attn_output.bias", &config::out_bias);
    io.tensor("blk.0.ffn_up.bias", &config::mlp_bias);
  }
};

const Registered<Nemotron> registered_nemotron;

}  // namespace
}  // namespace tool
