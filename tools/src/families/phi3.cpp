// Phi-3 and Phi-4.
#include <fauna/models/phi3.hpp>
#include <tools/src/dense.hpp>
#include <tools/src/family.hpp>
#include <tools/src/gguf_fields.hpp>

namespace tool {
namespace {

struct Phi3 {
  using config = fauna::Phi3Config;
  static constexpr const char *model_type = "phi3", *causal = "Phi3ForCausalLM", *headless = "Phi3Model";
  static constexpr Absent absent{.context = 4096, .original = 4096};
  static std::vector<std::pair<const char*, config>> presets() {
    return {{"phi-3-shakespeare", fauna::Phi3Shakespeare::config},
            {"phi-3-mini-4k", fauna::Phi3Mini4k::config},
            {"phi-4", fauna::Phi4::config}};
  }

  static config read(Config& c) {
    config m = read_decoder<config>(c, absent);
    read_window(c, m, fauna::unbounded, absent);
    c.only("attention_bias", false);
    if (m.scaling.kind == fauna::rope_scaling::yarn)
      c.wrong("rope_scaling", "the type longrope, which is what phi3 takes for yarn");
    c.without_effect({"original_max_position_embeddings"});  // without a scaling
    for (const char* dropout : {"embd_pdrop", "resid_pdrop"})
      if (c.use().training) c.only(dropout, 0);
      else c.without_effect({dropout});
    return m;
  }

  static Config::Json write(config const& m) {
    Config::Json j = decoder_json(m, model_type, causal, absent);
    window_json(m, j);
    if (m.scaling.kind == fauna::rope_scaling::longrope) j["original_max_position_embeddings"] = m.scaling.original;
    return j;
  }

  static constexpr const char* gguf_name = "phi3";
  template <class Io> static void gguf(Io& io) {
    gguf_decoder(io);
    gguf_window(io);
    io.ignored(gguf_fields_detail::original_length);  // always there, whether it scales or not
  }
};

const Registered<Phi3> registered_phi3;

}  // namespace
}  // namespace tool
