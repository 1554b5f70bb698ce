// OLMoE.
#include <fauna/models/olmoe.hpp>
#include <tools/src/family.hpp>
#include <tools/src/fields.hpp>

namespace tool {
namespace {

struct Olmoe {
  using config = fauna::OlmoeConfig;
  static constexpr const char *model_type = "olmoe", *causal = "OlmoeForCausalLM", *headless = "OlmoeModel";
  static std::vector<std::pair<const char*, config>> presets() {
    return {{"olmoe-shakespeare", fauna::OlmoeShakespeare::config}, {"olmoe-1b-7b", fauna::Olmoe_1B_7B::config}};
  }

  static config read(Config& c) {
    config m{.layers = c.whole("num_hidden_layers"), .heads = c.whole("num_attention_heads")};
    m.kv_heads = c.whole("num_key_value_heads", m.heads);
    m.width = c.whole("hidden_size");
    head_size(c, "num_attention_heads", m.heads, m.width);
    m.hidden = c.whole("intermediate_size");
    m.experts = c.whole("num_experts", 64);
    m.chosen = c.whole("num_experts_per_tok", 8);
    if (m.chosen > m.experts) c.wrong("num_experts_per_tok", "at most num_experts, " + std::to_string(m.experts));
    m.renormalised = c.flag("norm_topk_prob", false);
    m.context = c.whole("max_position_embeddings", 4096);
    m.vocab = c.whole("vocab_size");
    m.base = plain_rope_base(c, m.context);
    m.epsilon = static_cast<float>(c.positive("rms_norm_eps", 1e-5));
    m.tied = c.flag("tie_word_embeddings", false);
    if (Config::Json const* aux = c.find("router_aux_loss_coef")) m.balance = aux->get<float>();
    if (Config::Json const* z = c.find("router_z_loss_coef")) m.z = z->get<float>();  // ours
    c.only("hidden_act", "silu");
    c.only("attention_bias", false);
    c.without_effect({"output_router_logits"});  // of training with the reference library
    if (c.has("clip_qkv")) c.wrong("clip_qkv", "null: clipped projections are not implemented");
    return m;
  }

  static Config::Json write(config const& c) {
    return {{"model_type", "olmoe"},
            {"architectures", {"OlmoeForCausalLM"}},
            {"num_hidden_layers", c.layers},
            {"num_attention_heads", c.heads},
            {"num_key_value_heads", c.kv_heads},
            {"hidden_size", c.width},
            {"intermediate_size", c.hidden},
            {"num_experts", c.experts},
            {"num_experts_per_tok", c.chosen},
            {"norm_topk_prob", c.renormalised},
            {"max_position_embeddings", c.context},
            {"vocab_size", c.vocab},
            {"rope_theta", c.base},
            {"rms_norm_eps", shortest(c.epsilon)},
            {"tie_word_embeddings", c.tied},
            {"router_aux_loss_coef", shortest(c.balance)},
            {"router_z_loss_coef", shortest(c.z)},
            {"attention_bias", false},
            {"hidden_act", "silu"}};
  }
};

const Registered<Olmoe> registered;

}  // namespace
}  // namespace tool
