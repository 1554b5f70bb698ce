// Mistral.
#include <fauna/models/mistral.hpp>
#include <tools/src/dense.hpp>
#include <tools/src/family.hpp>
#include <tools/src/gguf_fields.hpp>

namespace tool {
namespace {

struct Mistral {
  using config = fauna::MistralConfig;
  static constexpr const char *model_type = "mistral", *causal = "MistralForCausalLM", *headless = "MistralModel";
  static constexpr Absent absent{.context = 131072, .epsilon = 1e-6, .window = 4096};
  static std::vector<std::pair<const char*, config>> presets() {
    return {{"mistral-shakespeare", fauna::MistralShakespeare::config},
            {"mistral-7b-v0.1", fauna::Mistral7B_v01::config},
            {"mistral-7b-v0.3", fauna::Mistral7B_v03::config}};
  }

  static config read(Config& c) {
    config m = read_decoder<config>(c, absent);
    read_window(c, m, fauna::unbounded, absent);
    return m;
  }

  static Config::Json write(config const& m) {
    Config::Json j = decoder_json(m, model_type, causal, absent);
    window_json(m, j);
    return j;
  }

  static constexpr const char* gguf_name = "llama";
  /// Such a file is read as one of llama.
  static bool gguf_is(GgufKeys&) { return false; }
  template <class Io> static void gguf(Io& io) { gguf_decoder(io); }
};

const Registered<Mistral> registered_mistral;

}  // namespace
}  // namespace tool
