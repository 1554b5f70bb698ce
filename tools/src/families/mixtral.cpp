// Mixtral.
#include <fauna/models/mixtral.hpp>
#include <tools/src/dense.hpp>
#include <tools/src/family.hpp>
#include <tools/src/gguf_fields.hpp>

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
    config m;
    read_sizes(c, m, {.context = 32768});
    m.experts = c.whole("num_local_experts", 8);
    m.chosen = c.whole("num_experts_per_tok", 2);
    if (m.chosen > m.experts) c.wrong("num_experts_per_tok", "at most num_local_experts, " + std::to_string(m.experts));
    m.base = plain_rope_base(c, m.context);
    if (Config::Json const* aux = c.find("router_aux_loss_coef")) m.balance = aux->get<float>();
    c.only("hidden_act", "silu");
    c.without_effect({"output_router_logits", "router_jitter_noise"});  // of training with the reference library
    if (c.has("sliding_window")) c.wrong("sliding_window", "null: windows are not implemented");
    return m;
  }

  static Config::Json write(config const& c) {
    Config::Json j = sizes_json(c, model_type, causal);
    j["num_local_experts"] = c.experts;
    j["num_experts_per_tok"] = c.chosen;
    j["router_aux_loss_coef"] = shortest(c.balance);
    j["hidden_act"] = "silu";
    return j;
  }

  static constexpr const char* gguf_name = "llama";
  static bool gguf_is(GgufKeys& k) { return k.says("expert_count"); }
  template <class Io> static void gguf(Io& io) {
    gguf_decoder(io);
    io.experts(&config::experts, &config::chosen);
    io.of_training(&config::balance);
  }
};

const Registered<Mixtral> registered_mixtral;

}  // namespace
}  // namespace tool
