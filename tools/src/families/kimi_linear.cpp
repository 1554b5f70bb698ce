// Kimi Linear.
#include <fauna/models/kimi_linear.hpp>
#include <tools/src/family.hpp>
#include <tools/src/hybrid_fields.hpp>

namespace tool {
namespace {

struct KimiLinear {
  using config = fauna::KimiLinearConfig;
  static constexpr const char *model_type = "kimi_linear", *causal = "KimiLinearForCausalLM",
                              *headless = "KimiLinearModel";
  static constexpr Absent absent{.context = 1048576};
  static std::vector<std::pair<const char*, config>> presets() {
    return {{"kimi-linear-shakespeare", fauna::KimiLinearShakespeare::config},
            {"kimi-linear-48b-a3b", fauna::KimiLinear_48B_A3B::config}};
  }

  static config read(Config& c) {
    config m;
    read_sizes(c, m, {.context = c.whole("model_max_length", absent.context)});
    m.kv_heads = config{}.kv_heads;  // of latents there is one
    m.head_size = config{}.head_size;
    m.act = c.one_of("hidden_act", activations(), "silu");
    m.rank = c.whole("kv_lora_rank", m.rank);
    if (c.has("q_lora_rank")) m.query_rank = c.whole("q_lora_rank");
    m.nope = c.whole("qk_nope_head_dim", m.nope);
    m.rope = c.whole("qk_rope_head_dim", m.rope);
    m.value = c.whole("v_head_dim", m.value);
    // Its attention knows no positions, whatever the file has of them.
    c.without_effect({"q_lora_rank", "qk_head_dim", "rope_theta", "rope_scaling", "rope_parameters", "pretraining_tp"});
    c.only("mla_use_nope", true);
    c.only("attention_bias", false);

    read_kinds(c, m);
    read_experts(c, m);
    return m;
  }

  static Config::Json write(config const& m) {
    if (m.qkv_bias || m.out_bias || m.mlp_bias || m.score_scale != 0 || m.further != 0)
      fauna::fail("fauna", fauna::to_text(m), "no biases, no score_scale, no further layers", "this family has none");
    Config::Json j = sizes_json(m, model_type, causal, absent);
    for (const char* field : {"rope_theta", "head_dim", "max_position_embeddings"}) j.erase(field);
    j["model_max_length"] = m.context;
    j["num_key_value_heads"] = m.heads;
    j["hidden_act"] = reference_name(m.act);
    j["kv_lora_rank"] = m.rank;
    if (m.query_rank > 0) j["q_lora_rank"] = m.query_rank;
    j["qk_nope_head_dim"] = m.nope;
    j["qk_rope_head_dim"] = m.rope;
    j["v_head_dim"] = m.value;
    j["linear_num_heads"] = m.rule_heads;
    j["linear_head_dim"] = m.rule_size;
    j["linear_conv_kernel_dim"] = m.taps;
    j["layer_types"] = kinds_json(m.mixers, m.layers, {{'a', "full_attention"}, {'k', "linear_attention"}});
    j["mlp_layer_types"] = kinds_json(m.mlps, m.layers, {{'d', "dense"}, {'e', "sparse"}});
    j["num_experts"] = m.experts;
    j["num_experts_per_token"] = m.chosen;
    j["moe_intermediate_size"] = m.expert_hidden;
    j["num_shared_experts"] = m.shared_hidden / m.expert_hidden;
    j["num_expert_group"] = m.groups;
    j["topk_group"] = m.kept_groups;
    j["moe_renormalize"] = m.renormalised;
    j["routed_scaling_factor"] = shortest(m.weight_scale);
    j["router_aux_loss_coef"] = shortest(m.balance);
    return j;
  }

 private:
  /// Of the hub's files, in an object with numbers of layers that count from 1; of transformers 5, in lists.
  static void read_kinds(Config& c, config& m) {
    m.rule_heads = c.whole("linear_num_heads", m.rule_heads);
    m.rule_size = c.whole("linear_head_dim", m.rule_size);
    m.taps = c.whole("linear_conv_kernel_dim", m.taps);
    if (m.layers > 127) c.wrong("num_hidden_layers", "at most 127");
    std::string mixers(static_cast<std::size_t>(m.layers), 'k');
    for (int l = 4; l < m.layers; l += 4) mixers[static_cast<std::size_t>(l)] = 'a';
    if (auto in = c.inner("linear_attn_config")) {
      m.rule_heads = in->whole("num_heads", m.rule_heads);
      m.rule_size = in->whole("head_dim", m.rule_size);
      m.taps = in->whole("short_conv_kernel_size", m.taps);
      if (in->has("full_attn_layers") || in->has("kda_layers")) mixers = listed(*in, m.layers);
      in->all_used("the delta rule");
    }
    m.mixers = c.has("layer_types")
                   ? layer_kinds(c, "layer_types", m.layers, {{"full_attention", 'a'}, {"linear_attention", 'k'}})
                   : shortest_round(mixers);
    std::string mlps(static_cast<std::size_t>(m.layers), 'e');
    Config::Json const* dense = c.find("first_k_dense_replace");
    if (dense != nullptr && (!dense->is_number_integer() || *dense < 0 || *dense > m.layers))
      c.wrong("first_k_dense_replace", "a whole number, 0 to " + std::to_string(m.layers));
    for (int l = 0; l < (dense == nullptr ? 1 : dense->get<int>()); ++l) mlps[static_cast<std::size_t>(l)] = 'd';
    m.mlps = c.has("mlp_layer_types") ? layer_kinds(c, "mlp_layer_types", m.layers, {{"dense", 'd'}, {"sparse", 'e'}})
                                      : shortest_round(mlps);
    c.only("moe_layer_freq", 1);
  }
  /// Every layer stands in one of two lists.
  static std::string listed(Config& in, int layers) {
    std::string all(static_cast<std::size_t>(layers), '?');
    for (auto [field, letter] : {std::pair{"full_attn_layers", 'a'}, {"kda_layers", 'k'}}) {
      Config::Json const* list = in.find(field);
      const std::string wanted = "numbers of layers, 1 to " + std::to_string(layers) + ", each in one list";
      if (list == nullptr || !list->is_array()) in.wrong(field, wanted);
      for (Config::Json const& n : *list) {
        if (!n.is_number_integer() || n < 1 || n > layers) in.wrong(field, wanted);
        char& is = all[static_cast<std::size_t>(n.get<int>() - 1)];
        if (is != '?') in.wrong(field, wanted);
        is = letter;
      }
    }
    if (all.find('?') != std::string::npos)
      in.wrong("kda_layers", "layer " + std::to_string(all.find('?') + 1) + " in it or in full_attn_layers");
    return all;
  }

  /// The hub's names, or those of transformers 5.
  static void read_experts(Config& c, config& m) {
    const auto either = [&c](const char* hub, const char* other) { return c.has(other) ? other : hub; };
    m.experts = c.whole(either("num_experts", "num_local_experts"), 256);
    m.chosen = c.whole(either("num_experts_per_token", "num_experts_per_tok"), 8);
    m.expert_hidden = c.whole("moe_intermediate_size", 1024);
    m.shared_hidden = c.whole(either("num_shared_experts", "n_shared_experts"), 1) * m.expert_hidden;
    const char* groups = either("num_expert_group", "n_group");
    m.groups = c.whole(groups, 1);
    m.kept_groups = c.whole("topk_group", 1);
    if (m.experts % m.groups != 0)
      c.wrong(groups, "a number that divides the " + std::to_string(m.experts) + " experts");
    if (m.kept_groups > m.groups) c.wrong("topk_group", "at most the " + std::to_string(m.groups) + " groups");
    if (const int there = m.experts / m.groups * m.kept_groups; m.chosen > there)
      c.wrong(either("num_experts_per_token", "num_experts_per_tok"),
              "at most the " + std::to_string(there) + " experts of topk_group groups");
    m.renormalised = c.flag(either("moe_renormalize", "norm_topk_prob"), true);
    m.weight_scale = static_cast<float>(c.positive("routed_scaling_factor", shortest(m.weight_scale)));
    if (Config::Json const* aux = c.find("router_aux_loss_coef")) m.balance = aux->get<float>();
    c.only("moe_router_activation_func", "sigmoid");
    c.only("use_grouped_topk", true);
    c.only("num_nextn_predict_layers", 0);
    c.without_effect({"output_router_logits"});
  }
};

const Registered<KimiLinear> registered_kimi_linear;

}  // namespace
}  // namespace tool
