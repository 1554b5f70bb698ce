// Gemma.
#include <fauna/models/gemma.hpp>
#include <tools/src/dense.hpp>
#include <tools/src/family.hpp>
#include <tools/src/gguf_fields.hpp>

namespace tool {
namespace {

struct Gemma {
  using config = fauna::GemmaConfig;
  static constexpr const char *model_type = "gemma", *causal = "GemmaForCausalLM", *headless = "GemmaModel";
  static constexpr Absent absent{.context = 8192, .epsilon = 1e-6, .tied = true, .act = "gelu_pytorch_tanh"};
  static std::vector<std::pair<const char*, config>> presets() {
    return {{"gemma-shakespeare", fauna::GemmaShakespeare::config},
            {"gemma-2b", fauna::Gemma2B::config},
            {"gemma-7b", fauna::Gemma7B::config}};
  }

  static config read(Config& c) {
    config m = read_decoder<config>(c, absent);
    // Files of old versions say "gelu" in hidden_act and mean its tanh form, in which the models were trained.
    if (!c.has("hidden_activation") || c.word("hidden_act", "gelu") == "gelu") m.act = fauna::activation::gelu_tanh;
    c.only("hidden_activation", "gelu_pytorch_tanh");
    m.qkv_bias = m.out_bias = c.flag("attention_bias", false);
    c.only("use_bidirectional_attention", false);
    return m;
  }

  static Config::Json write(config const& m) {
    Config::Json j = decoder_json(m, model_type, causal, absent);
    j["attention_bias"] = both_biases(m);
    return j;
  }

  static constexpr const char* gguf_name = "gemma";
  template <class Io> static void gguf(Io& io) { gguf_decoder(io); }
};

const Registered<Gemma> registered_gemma;

}  // namespace
}  // namespace tool
