// Mamba.
#include <fauna/models/mamba.hpp>
#include <tools/src/family.hpp>
#include <tools/src/mamba_fields.hpp>
#include <tools/src/mamba_ssm.hpp>

namespace tool {
namespace {

struct Mamba {
  using config = fauna::MambaConfig;
  static constexpr const char *model_type = "mamba", *causal = "MambaForCausalLM", *headless = "MambaModel";
  static std::vector<std::pair<const char*, config>> presets() {
    return {{"mamba-shakespeare", fauna::MambaShakespeare::config},
            {"mamba-130m", fauna::Mamba_130M::config},
            {"mamba-370m", fauna::Mamba_370M::config},
            {"mamba-790m", fauna::Mamba_790M::config},
            {"mamba-1.4b", fauna::Mamba_1_4B::config},
            {"mamba-2.8b", fauna::Mamba_2_8B::config}};
  }

  static config read(Config& c) {
    if (is_mamba_ssm(c)) return of_mamba_ssm(c);
    c.only("tie_word_embeddings", true);
    return mamba_fields<config>(c);
  }

  static constexpr const char* gguf_name = "mamba";
  static bool gguf_is(GgufKeys& k) { return !gguf_norms_steps(k); }
  template <class Io> static void gguf(Io& io) { gguf_mamba(io, false); }

  static Config::Json write(config const& c) {
    auto j = mamba_json(c, model_type, causal);
    j["tie_word_embeddings"] = true;
    return j;
  }

 private:
  static config of_mamba_ssm(Config& c) {
    const MambaSsm m = mamba_ssm(c);
    Config s = ssm_cfg(c);
    config r{.layers = m.layers, .width = m.width};
    r.inner = s.whole("expand", 2) * m.width;
    r.states = s.whole("d_state", 16);
    r.rank = rank_of_steps(s, "dt_rank", m.width);
    r.taps = s.whole("d_conv", 4);
    r.vocab = m.vocab;
    r.epsilon = m.epsilon;
    r.bias = s.flag("bias", false);
    s.without_effect({"layer", "dt_min", "dt_max", "dt_init", "dt_scale", "dt_init_floor", "use_fast_path"});
    s.only("conv_bias", true);
    c.only("tie_embeddings", true);
    s.all_used("Mamba1");
    return r;
  }
};

const Registered<Mamba> registered_mamba;

}  // namespace
}  // namespace tool
