// Jamba.
#include <fauna/models/jamba.hpp>
#include <tools/src/family.hpp>
#include <tools/src/hybrid_fields.hpp>
#include <tools/src/mamba_fields.hpp>

namespace tool {
namespace {

struct Jamba {
  using config = fauna::JambaConfig;
  static constexpr const char *model_type = "jamba", *causal = "JambaForCausalLM", *headless = "JambaModel";
  static constexpr Absent absent{.context = 262144, .epsilon = 1e-6};
  static std::vector<std::pair<const char*, config>> presets() {
    return {{"jamba-shakespeare", fauna::JambaShakespeare::config},
            {"jamba-v0.1", fauna::JambaV01::config},
            {"jamba-1.5-large", fauna::Jamba15Large::config}};
  }

  static config read(Config& c) {
    config m;
    read_sizes(c, m, absent);
    m.mixers = one_of_round(c, "attn_layer", 8, 4, 'a', 'm');
    m.mlps = one_of_round(c, "expert_layer", 2, 1, 'e', 'd');
    m.experts = c.whole(c.has("num_local_experts") && !c.has("num_experts") ? "num_local_experts" : "num_experts", 16);
    m.chosen = c.whole("num_experts_per_tok", 2);
    m.expert_hidden = m.hidden;
    if (m.experts == 1) m.mlps = "d", m.chosen = 1;
    if (m.chosen > m.experts) c.wrong("num_experts_per_tok", "at most num_experts, " + std::to_string(m.experts));
    if (Config::Json const* aux = c.find("router_aux_loss_coef")) m.balance = aux->get<float>();
    m.inner = c.whole("mamba_expand", 2) * m.width;
    m.states = c.whole("mamba_d_state", 16);
    m.taps = c.whole("mamba_d_conv", 4);
    m.rank = rank_of_steps(c, "mamba_dt_rank", m.width);
    m.mixer_bias = c.flag("mamba_proj_bias", false);
    c.only("mamba_conv_bias", true);
    c.only("hidden_act", "silu");
    // Of how the reference library computes, and of training with it.
    c.without_effect(
        {"use_mamba_kernels", "use_mambapy", "use_associative_scan", "num_logits_to_keep", "output_router_logits"});
    return m;
  }

  static Config::Json write(config const& m) {
    Config::Json j = sizes_json(m, model_type, causal, absent);
    for (const char* field : {"rope_theta", "head_dim"}) j.erase(field);
    writable(m, m.head_size * m.heads == m.width && m.inner % m.width == 0 && m.expert_hidden == m.hidden,
             "heads as wide as the model, channels that are a multiple of it, and experts as large as MLPs");
    one_of_round_json(j, "attn_layer", m, m.mixers, 'a');
    const bool dense = m.mlps == fauna::letters("d");
    if (!dense) one_of_round_json(j, "expert_layer", m, m.mlps, 'e');
    j["num_experts"] = dense ? 1 : m.experts;
    j["num_experts_per_tok"] = dense ? 1 : m.chosen;
    j["router_aux_loss_coef"] = shortest(m.balance);
    j["mamba_expand"] = m.inner / m.width;
    j["mamba_d_state"] = m.states;
    j["mamba_d_conv"] = m.taps;
    j["mamba_dt_rank"] = m.rank;
    j["mamba_proj_bias"] = m.mixer_bias;
    j["mamba_conv_bias"] = true;
    j["hidden_act"] = "silu";
    return j;
  }

  static constexpr const char* gguf_name = "jamba";
  template <class Io> static void gguf(Io& io) {
    io.layers(&config::layers);
    gguf_hybrid(io, &config::mixers, 'm');
    io.kinds("blk.", ".ffn_gate_inp.weight", &config::mlps, 'e', 'd');
    io.cut_rounds(&config::mixers);
    io.cut_rounds(&config::mlps);
    if (!(io.get().mlps == fauna::letters("d"))) io.experts(&config::experts, &config::chosen);
    io.implied(&config::expert_hidden, io.get().hidden);
    io.of_training(&config::balance);
    io.whole("ssm.conv_kernel", &config::taps);
    io.whole("ssm.inner_size", &config::inner);
    io.check(io.get().inner == 2 * io.get().width, "ssm.inner_size", io.get().inner,
             "twice the width, " + std::to_string(io.get().width));
    io.whole("ssm.state_size", &config::states);
    io.whole("ssm.time_step_rank", &config::rank);
    io.implied(&config::mixer_bias, false);
  }
};

const Registered<Jamba> registered_jamba;

}  // namespace
}  // namespace tool
