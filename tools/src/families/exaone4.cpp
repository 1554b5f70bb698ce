// EXAONE 4.0.
#include <fauna/models/exaone4.hpp>
#include <tools/src/dense.hpp>
#include <tools/src/family.hpp>
#include <tools/src/gguf_fields.hpp>

namespace tool {
namespace {

struct Exaone4 {
  using config = fauna::Exaone4Config;
  static constexpr const char *model_type = "exaone4", *causal = "Exaone4ForCausalLM", *headless = "Exaone4Model";
  static constexpr Absent absent{.window = 4096};
  static std::vector<std::pair<const char*, config>> presets() {
    return {{"exaone-4.0-shakespeare", fauna::Exaone4Shakespeare::config},
            {"exaone-4.0-32b", fauna::Exaone4_32B::config}};
  }

  static config read(Config& c) {
    config m = read_decoder<config>(c, absent);
    read_window(c, m, 4, absent);
    return m;
  }

  static Config::Json write(config const& m) {
    Config::Json j = decoder_json(m, model_type, causal, absent);
    window_json(m, j);
    return j;
  }

  static constexpr const char* gguf_name = "exaone4";
  template <class Io> static void gguf(Io& io) {
    gguf_decoder(io);
    io.window(&config::window);
    io.window_pattern(&config::full_every);
    io.repeated("rope.freq_base_swa", io.get().base);
  }
};

const Registered<Exaone4> registered_exaone4;

}  // namespace
}  // namespace tool
