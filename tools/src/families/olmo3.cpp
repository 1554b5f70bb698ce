// OLMo 3.
#include <fauna/models/olmo3.hpp>
#include <tools/src/dense.hpp>
#include <tools/src/family.hpp>
#include <tools/src/gguf_fields.hpp>

namespace tool {
namespace {

struct Olmo3 {
  using config = fauna::Olmo3Config;
  static constexpr const char *model_type = "olmo3", *causal = "Olmo3ForCausalLM", *headless = "Olmo3Model";
  static constexpr Absent absent{.base = 500000, .window = 4096};
  static std::vector<std::pair<const char*, config>> presets() {
    return {{"olmo-3-shakespeare", fauna::Olmo3Shakespeare::config},
            {"olmo-3-7b", fauna::Olmo3_7B::config},
            {"olmo-3-32b", fauna::Olmo3_32B::config}};
  }

  static config read(Config& c) {
    config m = read_decoder<config>(c, absent);
    read_window(c, m, 4, absent);
    m.window_base = window_rope_base(c, absent.base);  // where it is not said, whatever the other layers' is
    if (m.window_base == m.base && m.scaling.kind == fauna::rope_scaling::none) m.window_base = 0;
    m.qkv_bias = m.out_bias = c.flag("attention_bias", false);
    return m;
  }

  static Config::Json write(config const& m) {
    if (m.window_base == 0 && m.scaling.kind != fauna::rope_scaling::none)
      fauna::fail("fauna", fauna::to_text(m), "a window_base",
                  "in the reference library no scaling is of layers with a window");
    Config::Json j = decoder_json(m, model_type, causal, absent);
    Config::Json full = scaling_json(m.scaling), window{{"rope_type", "default"}};
    if (full.is_null()) full = window;
    full["rope_theta"] = m.base;
    window["rope_theta"] = m.window_base > 0 ? m.window_base : m.base;
    j["rope_parameters"] = {{"full_attention", full}, {"sliding_attention", window}};
    j.erase("rope_theta");
    j.erase("rope_scaling");
    window_json(m, j);
    j["attention_bias"] = both_biases(m);
    return j;
  }

  static constexpr const char* gguf_name = "olmo2";
  static bool gguf_is(GgufKeys& k) { return k.says("attention.sliding_window"); }
  template <class Io> static void gguf(Io& io) {
    gguf_decoder(io);
    io.window(&config::window);
    io.window_pattern(&config::full_every);
    io.window_base(&config::window_base);
  }
};

const Registered<Olmo3> registered_olmo3;

}  // namespace
}  // namespace tool
