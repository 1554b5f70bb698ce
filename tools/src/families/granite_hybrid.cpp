// Granite 4.
#include <fauna/models/granite_hybrid.hpp>
#include <tools/src/family.hpp>
#include <tools/src/gguf_fields.hpp>
#include <tools/src/hybrid_fields.hpp>

namespace tool {
namespace {

struct GraniteHybrid {
  using config = fauna::GraniteHybridConfig;
  static constexpr const char *model_type = "granitemoehybrid", *causal = "GraniteMoeHybridForCausalLM",
                              *headless = "GraniteMoeHybridModel";
  static constexpr Absent absent{.epsilon = 1e-6};
  static std::vector<std::pair<const char*, config>> presets() {
    return {{"granite-4.0-shakespeare", fauna::GraniteHybridShakespeare::config},
            {"granite-4.0-h-micro", fauna::Granite4HMicro::config},
            {"granite-4.0-h-tiny", fauna::Granite4HTiny::config},
            {"granite-4.0-h-small", fauna::Granite4HSmall::config}};
  }

  static config read(Config& c) {
    config m;
    read_sizes(c, m, absent);
    m.turned = c.one_of<double>("position_embedding_type", {{"rope", 1}, {"nope", 0}}, "nope");
    if (m.turned > 0) {
      const Rope rope = rope_of(c, {.context = m.context, .head_size = m.head_size});
      m.base = rope.base, m.scaling = rope.scaling;
      if (rope.fraction != 1) c.wrong("partial_rotary_factor", "1");
    } else {
      c.without_effect({"rope_theta", "rope_scaling", "rope_parameters"});
    }
    read_multipliers(c, m);
    m.qkv_bias = m.out_bias = c.flag("attention_bias", false);
    read_experts(c, m);
    const char* types = c.has("layers_block_type") && !c.has("layer_types") ? "layers_block_type" : "layer_types";
    m.mixers =
        !c.has(types)
            ? fauna::letters("m")
            : layer_kinds(c, types, m.layers,
                          {{"mamba", 'm'}, {"linear_attention", 'm'}, {"attention", 'a'}, {"full_attention", 'a'}});
    read_mixers(c, m);
    c.only("hidden_act", "silu");
    c.only("normalization_function", "rmsnorm");
    c.without_effect({"init_method", "output_router_logits"});  // of training
    return m;
  }

  static Config::Json write(config const& m) {
    Config::Json j = sizes_json(m, model_type, causal, absent);
    const bool dense = m.mlps == fauna::letters("d");
    writable(m, (dense || m.mlps == fauna::letters("e")) && (m.turned == 0 || m.turned == 1),
             "experts in all layers or in none, and heads that are turned wholly or not");
    writable(m, m.mixer_heads * m.mixer_head_size % m.width == 0, "a mixer that is a multiple of the width");
    j["position_embedding_type"] = m.turned > 0 ? "rope" : "nope";
    if (m.turned > 0) j["rope_scaling"] = scaling_json(m.scaling);
    else j.erase("rope_theta");
    multipliers_json(m, j);
    j["attention_bias"] = both_biases(m);
    j["intermediate_size"] = dense ? m.hidden : m.expert_hidden;
    j["shared_intermediate_size"] = m.hidden;
    j["num_local_experts"] = dense ? 0 : m.experts;
    j["num_experts_per_tok"] = dense ? 0 : m.chosen;
    j["router_aux_loss_coef"] = shortest(m.balance);
    j["layer_types"] = kinds_json(m.mixers, m.layers, {{'m', "mamba"}, {'a', "attention"}});
    j["mamba_n_heads"] = m.mixer_heads;
    j["mamba_d_head"] = m.mixer_head_size;
    j["mamba_expand"] = m.mixer_heads * m.mixer_head_size / m.width;
    j["mamba_d_state"] = m.states;
    j["mamba_n_groups"] = m.mixer_groups;
    j["mamba_d_conv"] = m.taps;
    j["mamba_conv_bias"] = m.conv_bias;
    j["mamba_proj_bias"] = m.mixer_bias;
    j["hidden_act"] = "silu";
    return j;
  }

  static constexpr const char* gguf_name = "granitehybrid";
  template <class Io> static void gguf(Io& io) {
    io.layers(&config::layers);
    io.kinds("blk.", ".ffn_gate_inp.weight", &config::mlps, 'e', 'd');
    if (const bool dense = io.get().mlps == fauna::letters("d"); dense) {
      gguf_hybrid(io, &config::mixers, 'm');
    } else {
      gguf_hybrid(io, &config::mixers, 'm', &config::expert_hidden);
      io.whole("expert_shared_feed_forward_length", &config::hidden);
      io.experts(&config::experts, &config::chosen);
      io.of_training(&config::balance);
    }
    io.flag("rope.scaling.finetuned", &config::turned, true);
    io.same("rope.dimension_count", io.get().head_size);
    io.base(&config::base);
    io.scaling(&config::scaling, io.get().base, io.get().head_size);
    gguf_score_scale(io);
    io.real("embedding_scale", &config::embedding_scale, 1);
    io.real("residual_scale", &config::residual_scale, 1);
    io.inverse("logit_scale", &config::logit_scale);
    const std::string first = "blk." + std::to_string(io.get().mixers.view().find('a'));
    io.tensor((first + ".attn_q.bias").c_str(), &config::qkv_bias);
    io.tensor((first + ".attn_output.bias").c_str(), &config::out_bias);
    io.whole("ssm.conv_kernel", &config::taps);
    io.whole("ssm.time_step_rank", &config::mixer_heads);
    io.product("ssm.inner_size", &config::mixer_heads, &config::mixer_head_size);
    io.check(io.get().mixer_heads * io.get().mixer_head_size == 2 * io.get().width, "ssm.inner_size",
             io.get().mixer_heads * io.get().mixer_head_size, "twice the width, " + std::to_string(io.get().width));
    io.whole("ssm.state_size", &config::states);
    io.groups("ssm.group_count", &config::mixer_groups);
    io.check(io.get().mixer_heads % io.get().mixer_groups == 0, "ssm.group_count", io.get().mixer_groups,
             "a number that divides the " + std::to_string(io.get().mixer_heads) + " heads");
    io.implied(&config::mixer_bias, false);
    io.implied(&config::conv_bias, true);
  }

 private:
  static void read_experts(Config& c, config& m) {
    m.hidden = c.whole("shared_intermediate_size", 1024);
    if (Config::Json const* experts = c.find("num_local_experts"); experts != nullptr && *experts == 0) {
      m.mlps = fauna::letters("d");
      c.without_effect({"num_experts_per_tok", "router_aux_loss_coef"});
      return;
    }
    m.mlps = fauna::letters("e");
    m.expert_hidden = c.whole("intermediate_size");
    m.experts = c.whole("num_local_experts", 8);
    m.chosen = c.whole("num_experts_per_tok", 2);
    if (m.chosen > m.experts) c.wrong("num_experts_per_tok", "at most num_local_experts, " + std::to_string(m.experts));
    if (Config::Json const* aux = c.find("router_aux_loss_coef")) m.balance = aux->get<float>();
  }
  static void read_mixers(Config& c, config& m) {
    m.mixer_heads = c.whole("mamba_n_heads", 128);
    const int inner = c.whole("mamba_expand", 2) * m.width;
    Config::Json const* size = c.find("mamba_d_head");
    m.mixer_head_size = size == nullptr || *size == "auto" ? inner / m.mixer_heads : c.whole("mamba_d_head");
    if (m.mixer_heads * m.mixer_head_size != inner)
      c.wrong("mamba_n_heads", "so many that they have mamba_expand times " + std::to_string(m.width) + " columns");
    m.states = c.whole("mamba_d_state", 256);
    m.mixer_groups = c.whole("mamba_n_groups", 1);
    if (m.mixer_heads % m.mixer_groups != 0)
      c.wrong("mamba_n_groups", "a number that divides the " + std::to_string(m.mixer_heads) + " heads");
    m.taps = c.whole("mamba_d_conv", 4);
    m.conv_bias = c.flag("mamba_conv_bias", true);
    m.mixer_bias = c.flag("mamba_proj_bias", false);
    c.without_effect({"mamba_chunk_size"});
    c.only("time_step_limit", {0.0, {{"__float__", "Infinity"}}});
  }
};

const Registered<GraniteHybrid> registered_granite_hybrid;

}  // namespace
}  // namespace tool
