// What the files of Mamba and of FalconMamba say alike: config.json, and the keys of GGUF.
#pragma once
#include <tools/src/config.hpp>
#include <tools/src/fields.hpp>
#include <tools/src/gguf_fields.hpp>

namespace tool {

/// "auto": a sixteenth of the width, rounded up.
inline int rank_of_steps(Config& c, const char* field, int width) {
  Config::Json const* rank = c.find(field);
  return rank == nullptr || *rank == "auto" ? (width + 15) / 16 : c.whole(field);
}

/// Fills the members that both configs have, but for the head and the norms inside the mixers.
template <class C> C mamba_fields(Config& c) {
  C m{.layers = c.whole("num_hidden_layers"), .width = c.whole("hidden_size")};
  m.inner = c.whole("intermediate_size", c.whole("expand", 2) * m.width);
  m.states = c.whole("state_size", 16);
  m.rank = rank_of_steps(c, "time_step_rank", m.width);
  m.taps = c.whole("conv_kernel", 4);
  m.vocab = c.whole("vocab_size");
  m.epsilon = static_cast<float>(c.positive("layer_norm_epsilon", 1e-5));
  m.bias = c.flag("use_bias", false);
  // Of the start of a training, of how the reference library computes, and of halves: sums are f32 here.
  c.without_effect({"rescale_prenorm_residual", "time_step_floor", "time_step_init_scheme", "time_step_max",
                    "time_step_min", "time_step_scale", "use_associative_scan", "use_mambapy", "residual_in_fp32",
                    "use_falcon_mambapy"});
  c.only("use_conv_bias", true);
  c.only("hidden_act", "silu");
  return m;
}

/// The same, written; `type` and `causal`: model_type, and the architecture.
template <class C> Config::Json mamba_json(C const& c, const char* type, const char* causal) {
  return {{"model_type", type},
          {"architectures", {causal}},
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
          {"hidden_act", "silu"}};
}

inline constexpr const char* norms_of_steps = "ssm.dt_b_c_rms";

/// Are step sizes, B and C divided by their root mean square? One architecture of GGUF is both.
inline bool gguf_norms_steps(GgufKeys& k) { return k.has(norms_of_steps) && k.file().flag(k.full(norms_of_steps)); }

/// The keys that both have.
template <class Io> void gguf_mamba(Io& io, bool norms) {
  using C = typename Io::config;
  gguf_recurrent(io);
  io.unread("feed_forward_length", 0);
  io.whole("ssm.conv_kernel", &C::taps);
  io.whole("ssm.inner_size", &C::inner);
  io.check(io.get().inner == 2 * io.get().width, "ssm.inner_size", io.get().inner,
           "twice the width, " + std::to_string(io.get().width));
  io.whole("ssm.state_size", &C::states);
  io.whole("ssm.time_step_rank", &C::rank);
  io.real(rms_epsilon, &C::epsilon, 1e-5);
  io.same(norms_of_steps, norms);
  io.implied(&C::bias, false);
  io.vocab(&C::vocab);
}

}  // namespace tool
