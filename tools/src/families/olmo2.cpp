// OLMo 2.
#include <fauna/models/olmo2.hpp>
#include <tools/src/dense.hpp>
#include <tools/src/family.hpp>
#include <tools/src/gguf_fields.hpp>

namespace tool {
namespace {

struct Olmo2 {
  using config = fauna::Olmo2Config;
  static constexpr const char *model_type = "olmo2", *causal = "Olmo2ForCausalLM", *headless = "Olmo2Model";
  static constexpr Absent absent{};
  static std::vector<std::pair<const char*, config>> presets() {
    return {{"olmo-2-shakespeare", fauna::Olmo2Shakespeare::config},
            {"olmo-2-1b", fauna::Olmo2_1B::config},
            {"olmo-2-7b", fauna::Olmo2_7B::config}};
  }

  static config read(Config& c) {
    config m = read_decoder<config>(c, absent);
    m.qkv_bias = m.out_bias = c.flag("attention_bias", false);
    return m;
  }

  static Config::Json write(config const& m) {
    Config::Json j = decoder_json(m, model_type, causal, absent);
    j["attention_bias"] = both_biases(m);
    return j;
  }

  static constexpr const char* gguf_name = "olmo2";
  static bool gguf_is(GgufKeys& k) { return !k.says("attention.sliding_window"); }
  template <class Io> static void gguf(Io& io) { gguf_decoder(io); }
};

const Registered<Olmo2> registered_olmo2;

}  // namespace
}  // namespace tool
