// Mamba-2.
#include <fauna/models/mamba2.hpp>
#include <tools/src/family.hpp>
#include <tools/src/fields.hpp>
#include <tools/src/gguf_fields.hpp>
#include <tools/src/mamba_ssm.hpp>

namespace tool {
namespace {

struct Mamba2 {
  using config = fauna::Mamba2Config;
  static constexpr const char *model_type = "mamba2", *causal = "Mamba2ForCausalLM", *headless = "Mamba2Model";
  static std::vector<std::pair<const char*, config>> presets() {
    return {{"mamba2-shakespeare", fauna::Mamba2Shakespeare::config},
            {"mamba2-130m", fauna::Mamba2_130M::config},
            {"mamba2-370m", fauna::Mamba2_370M::config},
            {"mamba2-780m", fauna::Mamba2_780M::config},
            {"mamba2-1.3b", fauna::Mamba2_1_3B::config},
            {"mamba2-2.7b", fauna::Mamba2_2_7B::config}};
  }

  static config read(Config& c) {
    if (is_mamba_ssm(c)) return of_mamba_ssm(c);
    config m{.layers = c.whole("num_hidden_layers"), .width = c.whole("hidden_size")};
    m.heads = c.whole("num_heads");
    m.head_size = c.whole("head_dim", 64);
    if (m.heads * m.head_size != c.whole("expand", 2) * m.width)
      c.wrong("num_heads", "so many that they have expand times " + std::to_string(m.width) + " columns");
    m.states = c.whole("state_size", 128);
    m.groups = c.whole("n_groups", 8);
    whole_groups(c, "n_groups", m);
    m.taps = c.whole("conv_kernel", 4);
    m.vocab = c.whole("vocab_size");
    m.tied = c.flag("tie_word_embeddings", false);
    m.epsilon = static_cast<float>(c.positive("layer_norm_epsilon", 1e-5));
    m.bias = c.flag("use_bias", false);
    m.conv_bias = c.flag("use_conv_bias", true);
    // Of the start of a training, of how the reference library computes, and what it does not read: its gate stands
    // before the norm whatever norm_before_gate says.
    c.without_effect({"rescale_prenorm_residual", "time_step_floor", "time_step_init_scheme", "time_step_max",
                      "time_step_min", "time_step_rank", "chunk_size", "residual_in_fp32", "norm_before_gate",
                      "intermediate_size"});
    c.only("time_step_limit", {0.0, {{"__float__", "Infinity"}}});
    c.only("rms_norm", true);
    c.only("hidden_act", "silu");
    return m;
  }

  static constexpr const char* gguf_name = "mamba2";
  template <class Io> static void gguf(Io& io) {
    gguf_recurrent(io);
    io.unread("feed_forward_length", 0);
    io.whole("ssm.conv_kernel", &config::taps);
    io.whole("ssm.time_step_rank", &config::heads);
    io.product("ssm.inner_size", &config::heads, &config::head_size);
    io.whole("ssm.state_size", &config::states);
    io.groups("ssm.group_count", &config::groups);
    io.check(io.get().heads % io.get().groups == 0, "ssm.group_count", io.get().groups,
             "a number that divides the " + std::to_string(io.get().heads) + " heads");
    gguf_table(io, rms_epsilon);
    io.implied(&config::bias, false);
    io.implied(&config::conv_bias, true);
    io.implied(&config::gate_first, true);
  }

  /// The reference library has no norm before the gate: that is written as mamba_ssm does.
  static Config::Json write(config const& c) {
    if (!c.gate_first)
      return {{"d_model", c.width},
              {"n_layer", c.layers},
              {"vocab_size", c.vocab},
              {"pad_vocab_size_multiple", 1},
              {"tie_embeddings", c.tied},
              {"norm_epsilon", shortest(c.epsilon)},
              {"ssm_cfg",
               {{"layer", "Mamba2"},
                {"d_state", c.states},
                {"d_conv", c.taps},
                {"expand", c.heads * c.head_size / c.width},
                {"headdim", c.head_size},
                {"ngroups", c.groups},
                {"norm_before_gate", true},
                {"bias", c.bias},
                {"conv_bias", c.conv_bias}}}};
    return {{"model_type", "mamba2"},
            {"architectures", {"Mamba2ForCausalLM"}},
            {"num_hidden_layers", c.layers},
            {"hidden_size", c.width},
            {"expand", c.heads * c.head_size / c.width},
            {"num_heads", c.heads},
            {"head_dim", c.head_size},
            {"state_size", c.states},
            {"n_groups", c.groups},
            {"conv_kernel", c.taps},
            {"vocab_size", c.vocab},
            {"tie_word_embeddings", c.tied},
            {"layer_norm_epsilon", shortest(c.epsilon)},
            {"use_bias", c.bias},
            {"use_conv_bias", c.conv_bias},
            {"hidden_act", "silu"}};
  }

 private:
  static config of_mamba_ssm(Config& c) {
    const MambaSsm m = mamba_ssm(c);
    Config s = ssm_cfg(c);
    config r{.layers = m.layers, .width = m.width};
    r.head_size = s.whole("headdim", 64);
    const int inner = s.whole("expand", 2) * m.width;
    if (inner % r.head_size != 0) s.wrong("headdim", "a number that divides the " + std::to_string(inner) + " columns");
    r.heads = inner / r.head_size;
    s.only("d_ssm", inner);
    r.states = s.whole("d_state", 128);
    r.groups = s.whole("ngroups", 1);
    whole_groups(s, "ngroups", r);
    r.taps = s.whole("d_conv", 4);
    r.vocab = m.vocab;
    r.tied = c.flag("tie_embeddings", true);
    r.epsilon = m.epsilon;
    r.bias = s.flag("bias", false);
    r.conv_bias = s.flag("conv_bias", true);
    r.gate_first = !s.flag("norm_before_gate", false);
    s.without_effect(
        {"layer", "chunk_size", "use_mem_eff_path", "A_init_range", "dt_min", "dt_max", "dt_init_floor", "conv_init"});
    s.only("rmsnorm", true);
    s.only("D_has_hdim", false);
    s.only("dt_limit", {0.0, {{"__float__", "Infinity"}}});
    s.all_used("Mamba2");
    return r;
  }
  static void whole_groups(Config const& c, const char* field, config const& m) {
    if (m.heads % m.groups != 0) c.wrong(field, "a number that divides the " + std::to_string(m.heads) + " heads");
  }
};

const Registered<Mamba2> registered_mamba2;

}  // namespace
}  // namespace tool
