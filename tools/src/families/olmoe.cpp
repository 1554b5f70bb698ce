// OLMoE.
#include <fauna/models/olmoe.hpp>
#include <tools/src/dense.hpp>
#include <tools/src/family.hpp>
#include <tools/src/gguf_fields.hpp>

namespace tool {
namespace {

struct Olmoe {
  using config = fauna::OlmoeConfig;
  static constexpr const char *model_type = "olmoe", *causal = "OlmoeForCausalLM", *headless = "OlmoeModel";
  static std::vector<std::pair<const char*, config>> presets() {
    return {{"olmoe-shakespeare", fauna::OlmoeShakespeare::config}, {"olmoe-1b-7b", fauna::Olmoe_1B_7B::config}};
  }

  static config read(Config& c) {
    config m;
    read_sizes(c, m, {.context = 4096});
    m.experts = c.whole("num_experts", 64);
    m.chosen = c.whole("num_experts_per_tok", 8);
    if (m.chosen > m.experts) c.wrong("num_experts_per_tok", "at most num_experts, " + std::to_string(m.experts));
    m.renormalised = c.flag("norm_topk_prob", false);
    m.base = plain_rope_base(c, m.context);
    if (Config::Json const* aux = c.find("router_aux_loss_coef")) m.balance = aux->get<float>();
    if (Config::Json const* z = c.find("router_z_loss_coef")) m.z = z->get<float>();  // ours
    c.only("hidden_act", "silu");
    c.only("attention_bias", false);
    c.without_effect({"output_router_logits"});  // of training with the reference library
    if (c.has("clip_qkv")) c.wrong("clip_qkv", "null: clipped projections are not implemented");
    return m;
  }

  static Config::Json write(config const& c) {
    Config::Json j = sizes_json(c, model_type, causal);
    j["num_experts"] = c.experts;
    j["num_experts_per_tok"] = c.chosen;
    j["norm_topk_prob"] = c.renormalised;
    j["router_aux_loss_coef"] = shortest(c.balance);
    j["router_z_loss_coef"] = shortest(c.z);
    j["attention_bias"] = false;
    j["hidden_act"] = "silu";
    return j;
  }

  static constexpr const char* gguf_name = "olmoe";
  template <class Io> static void gguf(Io& io) {
    gguf_sizes(io);
    gguf_table(io, rms_epsilon);
    gguf_rotary(io, gguf_head_columns(io));
    io.experts(&config::experts, &config::chosen);
    io.implied(&config::renormalised, false);
    io.of_training(&config::balance);
    io.of_training(&config::z);
  }
};

const Registered<Olmoe> registered_olmoe;

}  // namespace
}  // namespace tool
