// Falcon-H1.
#include <cmath>

#include <fauna/models/falcon_h1.hpp>
#include <tools/src/dense.hpp>
#include <tools/src/family.hpp>

namespace tool {
namespace {

struct FalconH1 {
  using config = fauna::FalconH1Config;
  static constexpr const char *model_type = "falcon_h1", *causal = "FalconH1ForCausalLM", *headless = "FalconH1Model";
  static constexpr Absent absent{.context = 8192};
  static std::vector<std::pair<const char*, config>> presets() {
    return {{"falcon-h1-shakespeare", fauna::FalconH1Shakespeare::config},
            {"falcon-h1-0.5b", fauna::FalconH1_0_5B::config}};
  }

  static config read(Config& c) {
    config m = read_decoder<config>(c, absent);
    m.embedding_scale = c.positive("embedding_multiplier", 1);
    m.logit_scale = c.positive("lm_head_multiplier", 1);
    m.score_scale = c.positive("key_multiplier", 1) / std::sqrt(m.head_size);
    m.attention_in = c.positive("attention_in_multiplier", 1);
    m.attention_out = c.positive("attention_out_multiplier", 1);
    m.ssm_in = c.positive("ssm_in_multiplier", 1);
    m.ssm_out = c.positive("ssm_out_multiplier", 1);
    factors(c, "ssm_multipliers", {&m.z, &m.x, &m.b, &m.c, &m.dt});
    factors(c, "mlp_multipliers", {&m.gate, &m.down});
    m.qkv_bias = m.out_bias = c.flag("attention_bias", false);
    m.mlp_bias = c.flag("mlp_bias", false);

    m.ssm_heads = c.whole("mamba_n_heads", 128);
    const int expanded = c.whole("mamba_expand", 2) * m.width;
    const int inner = c.says("mamba_d_ssm") && !c.has("mamba_d_ssm") ? expanded : c.whole("mamba_d_ssm", 1024);
    c.without_effect({"mamba_d_ssm"});
    if (inner % m.ssm_heads != 0) c.wrong("mamba_n_heads", "a number that divides " + std::to_string(inner));
    m.ssm_size = inner / m.ssm_heads;
    if (Config::Json const* size = c.find("mamba_d_head"); size != nullptr && *size != "auto" && *size != m.ssm_size)
      c.wrong("mamba_d_head", std::to_string(m.ssm_size) + ", what a head has of mamba_d_ssm");
    m.states = c.whole("mamba_d_state", 256);
    m.groups = c.whole("mamba_n_groups", 1);
    if (m.ssm_heads % m.groups != 0)
      c.wrong("mamba_n_groups", "a number that divides the " + std::to_string(m.ssm_heads) + " heads");
    m.taps = c.whole("mamba_d_conv", 4);
    m.conv_bias = c.flag("mamba_conv_bias", true);
    m.ssm_bias = c.flag("mamba_proj_bias", false);
    if (c.flag("projectors_bias", false) != m.ssm_bias)
      c.wrong("projectors_bias", "the same as mamba_proj_bias: the mixer's projections have biases, or have none");
    m.normed = c.flag("mamba_rms_norm", false);
    m.gate_first = !c.flag("mamba_norm_before_gate", true);
    if (!m.normed) m.gate_first = config{}.gate_first;  // there is nothing to stand before
    // Of how the reference library computes, and what it does not read.
    c.without_effect({"mamba_chunk_size", "num_logits_to_keep", "attn_layer_indices", "mlp_expansion_factor"});
    c.only("mamba_use_mlp", true);
    c.only("time_step_limit", {0.0, {{"__float__", "Infinity"}}});
    return m;
  }

  static Config::Json write(config const& m) {
    Config::Json j = decoder_json(m, model_type, causal, absent);
    j["embedding_multiplier"] = m.embedding_scale;
    j["lm_head_multiplier"] = m.logit_scale;
    j["key_multiplier"] = m.score_scale > 0 ? m.score_scale * std::sqrt(m.head_size) : 1.0;
    j["attention_in_multiplier"] = m.attention_in;
    j["attention_out_multiplier"] = m.attention_out;
    j["ssm_in_multiplier"] = m.ssm_in;
    j["ssm_out_multiplier"] = m.ssm_out;
    j["ssm_multipliers"] = {m.z, m.x, m.b, m.c, m.dt};
    j["mlp_multipliers"] = {m.gate, m.down};
    j["attention_bias"] = both_biases(m);
    j["mlp_bias"] = m.mlp_bias;
    j["mamba_n_heads"] = m.ssm_heads;
    j["mamba_d_head"] = m.ssm_size;
    j["mamba_d_ssm"] = m.ssm_heads * m.ssm_size;
    j["mamba_d_state"] = m.states;
    j["mamba_n_groups"] = m.groups;
    j["mamba_d_conv"] = m.taps;
    j["mamba_conv_bias"] = m.conv_bias;
    j["mamba_proj_bias"] = j["projectors_bias"] = m.ssm_bias;
    j["mamba_rms_norm"] = m.normed;
    j["mamba_norm_before_gate"] = !m.gate_first;
    return j;
  }

 private:
  /// A list of as many numbers above 0.
  static void factors(Config& c, const char* field, std::vector<double*> to) {
    Config::Json const* list = c.find(field);
    if (list == nullptr) return;
    const std::string wanted = "a list of " + std::to_string(to.size()) + " numbers above 0";
    if (!list->is_array() || list->size() != to.size()) c.wrong(field, wanted);
    for (std::size_t i = 0; i < to.size(); ++i) {
      Config::Json const& x = (*list)[i];
      if (!x.is_number() || !(x.get<double>() > 0)) c.wrong(field, wanted);
      *to[i] = x.get<double>();
    }
  }
};

const Registered<FalconH1> registered_falcon_h1;

}  // namespace
}  // namespace tool
