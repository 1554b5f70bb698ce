// Mixtral.
#include <fauna/models/mixtral.hpp>
#include <tools/src/family.hpp>
#include <tools/src/fields.hpp>

namespace tool {
namespace {

struct Mixtral {
  using config = fauna::MixtralConfig;
  static constexpr const char *model_type = "mixtral", *causal = "MixtralForCausalLM", *headless = "MixtralModel";
  static std::vector<std::pair<const char*, config>> presets() {
    return {{"mixtral-shakespeare", fauna::MixtralShakespeare::config},
            {"mixtral-8x7b", fauna::Mixtral_8x7B::config},
            {"mixtral-8x22b", fauna::Mixtral_8x22B::config}};
  }

  static config read(Config& c) {
    config m{.layers = c.whole("num_hidden_layers"), .heads = c.whole("num_attention_heads")};
    m.kv_heads = c.whole("num_key_value_heads", m.heads);
    m.width = c.whole("hidden_size");
    m.head_size = c.has("head_dim") ? c.whole("head_dim") : head_size(c, "num_attention_heads", m.heads, m.width);
    m.hidden = c.whole("intermediate_size");
    m.experts = c.whole("num_local_experts", 8);
    m.chosen = c.whole("num_experts_per_tok", 2);
    if (m.chosen > m.experts) c.wrong("num_experts_per_tok", "at most num_local_experts, " + std::to_string(m.experts));
    m.context = c.whole("max_position_embeddings", 32768);
    m.vocab = c.whole("vocab_size");
    m.base = plain_rope_base(c, m.context);
    m.epsilon = static_cast<float>(c.positive("rms_norm_eps", 1e-5));
    m.tied = c.flag("tie_word_embeddings", false);
    if (Config::Json const* aux = c.find("router_aux_loss_coef")) m.balance = aux->get<float>();
    c.only("hidden_act", "silu");
    c.without_effect({"output_router_logits", "router_jitter_noise"});  // of training with the reference library
    if (c.has("sliding_window")) c.wrong("sliding_window", "null: windows are not implemented");
    return m;
  }

  static Config::Json write(config const& c) {
    return {{"model_type", "mixtral"},
            {"architectures", {"MixtralForCausalLM"}},
            {"num_hidden_layers", c.layers},
            {"num_attention_heads", c.heads},
            {"num_key_value_heads", c.kv_heads},
            {"head_dim", c.head_size},
            {"hidden_size", c.width},
            {"intermediate_size", c.hidden},
            {"num_local_experts", c.experts},
            {"num_experts_per_tok", c.chosen},
            {"max_position_embeddings", c.context},
            {"vocab_size", c.vocab},
            {"rope_theta", c.base},
            {"rms_norm_eps", shortest(c.epsilon)},
            {"tie_word_embeddings", c.tied},
            {"router_aux_loss_coef", shortest(c.balance)},
            {"hidden_act", "silu"}};
  }
};

const Registered<Mixtral> registered;

}  // namespace
}  // namespace tool
