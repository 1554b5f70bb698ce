// Phi-1.5 and Phi-2.
#include <fauna/models/phi.hpp>
#include <tools/src/dense.hpp>
#include <tools/src/family.hpp>
#include <tools/src/gguf_fields.hpp>

namespace tool {
namespace {

struct Phi {
  using config = fauna::PhiConfig;
  static constexpr const char *model_type = "phi", *causal = "PhiForCausalLM", *headless = "PhiModel";
  static constexpr Absent absent{.turned = 0.5, .act = "gelu_new", .epsilon_field = "layer_norm_eps"};
  static std::vector<std::pair<const char*, config>> presets() {
    return {{"phi-shakespeare", fauna::PhiShakespeare::config},
            {"phi-1.5", fauna::Phi1_5::config},
            {"phi-2", fauna::Phi2::config}};
  }

  static config read(Config& c) {
    config m = read_decoder<config>(c, absent);
    c.only("qk_layernorm", false);
    for (const char* dropout : {"embd_pdrop", "resid_pdrop"})
      if (c.use().training) c.only(dropout, 0);
      else c.without_effect({dropout});
    return m;
  }

  static Config::Json write(config const& m) {
    Config::Json j = decoder_json(m, model_type, causal, absent);

    return j;
  }

  static constexpr const char* gguf_name = "phi2";
  template <class Io> static void gguf(Io& io) { gguf_decoder(io, layer_epsilon); }
};

const Registered<Phi> registered_phi;

}  // namespace
}  // namespace tool
