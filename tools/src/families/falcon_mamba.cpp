// FalconMamba.
#include <fauna/models/falcon_mamba.hpp>
#include <tools/src/family.hpp>
#include <tools/src/mamba_fields.hpp>

namespace tool {
namespace {

struct FalconMamba {
  using config = fauna::FalconMambaConfig;
  static constexpr const char *model_type = "falcon_mamba", *causal = "FalconMambaForCausalLM",
                              *headless = "FalconMambaModel";
  static std::vector<std::pair<const char*, config>> presets() {
    return {{"falcon-mamba-shakespeare", fauna::FalconMambaShakespeare::config},
            {"falcon-mamba-7b", fauna::FalconMamba_7B::config}};
  }
  static config read(Config& c) {
    auto m = mamba_fields<config>(c);
    m.tied = c.flag("tie_word_embeddings", true);
    m.mixer_epsilon = static_cast<float>(c.positive("mixer_rms_eps", 1e-6));
    return m;
  }
  static constexpr const char* gguf_name = "mamba";
  static bool gguf_is(GgufKeys& k) { return gguf_norms_steps(k); }
  template <class Io> static void gguf(Io& io) {
    gguf_mamba(io, true);
    io.head(&config::tied);
    io.implied(&config::mixer_epsilon, 1e-6F);  // llama.cpp takes that of the layers
  }

  static Config::Json write(config const& c) {
    auto j = mamba_json(c, model_type, causal);
    j["tie_word_embeddings"] = c.tied;
    j["mixer_rms_eps"] = shortest(c.mixer_epsilon);
    return j;
  }
};

const Registered<FalconMamba> registered_falconmamba;

}  // namespace
}  // namespace tool
