// A decoder with Switch's experts. No reference library has it: config.json is ours.
#include <fauna/models/switch_lm.hpp>
#include <tools/src/family.hpp>
#include <tools/src/fields.hpp>

namespace tool {
namespace {

struct SwitchLm {
  using config = fauna::SwitchLmConfig;
  static constexpr const char *model_type = "switch_lm", *causal = "SwitchLmForCausalLM", *headless = "SwitchLmModel";
  static std::vector<std::pair<const char*, config>> presets() {
    return {{"switch-shakespeare", fauna::SwitchShakespeare::config}};
  }

  static config read(Config& c) {
    config m{.layers = c.whole("num_hidden_layers"), .heads = c.whole("num_attention_heads")};
    m.head_size = c.whole("head_dim");
    m.width = c.whole("hidden_size");
    m.hidden = c.whole("intermediate_size");
    m.experts = c.whole("num_experts");
    m.context = c.whole("max_position_embeddings");
    m.vocab = c.whole("vocab_size");
    m.base = c.positive("rope_theta", 10000);
    m.tied = c.flag("tie_word_embeddings", true);
    m.epsilon = static_cast<float>(c.positive("rms_norm_eps", 1e-5));
    m.capacity = static_cast<float>(c.positive("expert_capacity_factor", 1.25));
    if (Config::Json const* aux = c.find("router_aux_loss_coef")) m.balance = aux->get<float>();
    return m;
  }

  static Config::Json write(config const& c) {
    return {{"model_type", model_type},
            {"architectures", {causal}},
            {"num_hidden_layers", c.layers},
            {"num_attention_heads", c.heads},
            {"head_dim", c.head_size},
            {"hidden_size", c.width},
            {"intermediate_size", c.hidden},
            {"num_experts", c.experts},
            {"max_position_embeddings", c.context},
            {"vocab_size", c.vocab},
            {"rope_theta", c.base},
            {"tie_word_embeddings", c.tied},
            {"rms_norm_eps", shortest(c.epsilon)},
            {"expert_capacity_factor", shortest(c.capacity)},
            {"router_aux_loss_coef", shortest(c.balance)}};
  }
};

const Registered<SwitchLm> registered_switch_lm;

}  // namespace
}  // namespace tool
