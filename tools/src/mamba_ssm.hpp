// The config.json of mamba_ssm's own checkpoints, which has no model_type: d_model, n_layer, and ssm_cfg, what is not
// usual of the mixers.
#pragma once
#include <tools/src/config.hpp>

namespace tool {

inline bool is_mamba_ssm(Config const& c) { return !c.has("model_type") && c.has("d_model") && c.has("n_layer"); }

/// What its mixers are.
inline Config ssm_cfg(Config& c) {
  auto s = c.inner("ssm_cfg");
  if (!s) c.wrong("ssm_cfg", "an object, as mamba_ssm writes it");
  return *s;
}
/// The model_type that transformers has for it.
inline std::string mamba_ssm_type(Config& c) {
  return ssm_cfg(c).one_of<std::string>("layer", {{"Mamba1", "mamba"}, {"Mamba2", "mamba2"}}, "Mamba1");
}

/// What both mixers' models have.
struct MambaSsm {
  int layers, width, vocab;
  float epsilon;
};
inline MambaSsm mamba_ssm(Config& c) {
  MambaSsm m{c.whole("n_layer"), c.whole("d_model"), c.whole("vocab_size"),
             static_cast<float>(c.positive("norm_epsilon", 1e-5))};
  const int multiple = c.whole("pad_vocab_size_multiple", 8);
  m.vocab = (m.vocab + multiple - 1) / multiple * multiple;
  c.only("rms_norm", true);
  c.only("attn_layer_idx", Config::Json::array());
  c.only("d_intermediate", 0);
  c.without_effect({"attn_cfg", "residual_in_fp32", "fused_add_norm"});
  return m;
}

}  // namespace tool
