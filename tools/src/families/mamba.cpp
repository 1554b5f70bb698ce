// Mamba.
#include <fauna/models/mamba.hpp>
#include <tools/src/family.hpp>
#include <tools/src/fields.hpp>
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
    config m{.layers = c.whole("num_hidden_layers"), .width = c.whole("hidden_size")};
    m.inner = c.whole("intermediate_size", c.whole("expand", 2) * m.width);
    m.states = c.whole("state_size", 16);
    Config::Json const* rank = c.find("time_step_rank");
    m.rank = rank == nullptr || *rank == "auto" ? (m.width + 15) / 16 : c.whole("time_step_rank");
    m.taps = c.whole("conv_kernel", 4);
    m.vocab = c.whole("vocab_size");
    m.epsilon = static_cast<float>(c.positive("layer_norm_epsilon", 1e-5));
    m.bias = c.flag("use_bias", false);
    // Of the start of a training, of how the reference library computes, and of halves: sums are f32 here.
    c.without_effect({"rescale_prenorm_residual", "time_step_floor", "time_step_init_scheme", "time_step_max",
                      "time_step_min", "time_step_scale", "use_associative_scan", "use_mambapy", "residual_in_fp32"});
    c.only("use_conv_bias", true);
    c.only("hidden_act", "silu");
    c.only("tie_word_embeddings", true);
    return m;
  }

  static Config::Json write(config const& c) {
    return {{"model_type", "mamba"},
            {"architectures", {"MambaForCausalLM"}},
            {"num_hidden_layers", c.layers},
            {"hidden_size", c.width},
            {"expand", c.inner / c.width},
            {"intermediate_size", c.inner},
            {"state_size", c.states},
            {"time_step_rank", c.rank},
            {"conv_kernel", c.taps},
            {"vocab_size", c.vocab},
            {"layer_norm_epsilon", shortest(c.epsilon)},
            {"use_bias", c.bias},
            {"use_conv_bias", true},
            {"hidden_act", "silu"},
            {"tie_word_embeddings", true}};
  }

 private:
  static config of_mamba_ssm(Config& c) {
    const MambaSsm m = mamba_ssm(c);
    Config s = ssm_cfg(c);
    config r{.layers = m.layers, .width = m.width};
    r.inner = s.whole("expand", 2) * m.width;
    r.states = s.whole("d_state", 16);
    Config::Json const* rank = s.find("dt_rank");
    r.rank = rank == nullptr || *rank == "auto" ? (m.width + 15) / 16 : s.whole("dt_rank");
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

const Registered<Mamba> registered;

}  // namespace
}  // namespace tool
