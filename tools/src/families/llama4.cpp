// Llama 4, its text models.
#include <fauna/models/llama4.hpp>
#include <tools/src/family.hpp>
#include <tools/src/moe_fields.hpp>

namespace tool {
namespace {

struct Llama4 {
  using config = fauna::Llama4Config;
  static constexpr const char *model_type = "llama4_text", *causal = "Llama4ForCausalLM", *headless = "Llama4TextModel";
  static constexpr Absent absent{.context = 131072, .base = 500000};
  static std::vector<std::pair<const char*, config>> presets() {
    return {{"llama-4-shakespeare", fauna::Llama4Shakespeare::config},
            {"llama-4-scout", fauna::Llama4Scout::config},
            {"llama-4-maverick", fauna::Llama4Maverick::config}};
  }

  static config read(Config& c) {
    config m = read_decoder<config>(c, absent);
    if (m.turned != 1) c.wrong("partial_rotary_factor", "1, the only one that is implemented for this family");
    m.hidden = c.whole("intermediate_size_mlp", 16384);
    m.expert_hidden = m.shared_hidden = c.whole("intermediate_size");
    read_experts(c, m);
    if (Config::Json const* aux = c.find("router_aux_loss_coef")) m.balance = aux->get<float>();
    m.qkv_bias = m.out_bias = c.flag("attention_bias", false);
    m.unit_length = c.flag("use_qk_norm", true);
    m.moe_every = c.whole("interleave_moe_layer_step", 1);
    if (Config::Json const* layers = c.find("moe_layers")) read_moe_layers(c, m, *layers);
    const int interval = c.whole("no_rope_layer_interval", 4);  // of files that do not list the layers
    m.full_every = listed(c, "no_rope_layers") ? every(c, "no_rope_layers", m.layers, 0, 1) : interval;
    m.window = !c.says("attention_chunk_size") ? 8192
               : c.has("attention_chunk_size") ? c.whole("attention_chunk_size")
                                               : fauna::unbounded;
    const int sees_all = m.window == fauna::unbounded ? 1 : m.full_every;
    if (listed(c, "layer_types") &&
        every(c, "layer_types", m.layers, "full_attention", "chunked_attention") != sees_all)
      c.wrong("layer_types", "chunked_attention where layers know positions, full_attention elsewhere");
    c.only("sliding_window", nullptr);
    m.growth_every = c.whole("floor_scale", 8192);
    const double growth = c.positive("attn_scale", 0.1);
    if (Config::Json const* tuned = c.find("attn_temperature_tuning"))  // a number in old files
      m.growth = *tuned == false || *tuned == 0 ? 0 : growth;
    else m.growth = growth;
    c.without_effect({"output_router_logits", "router_jitter_noise", "for_llm_compressor"});
    return m;
  }

  static Config::Json write(config const& m) {
    if (m.shared_hidden != m.expert_hidden || m.renormalised || m.weight_scale != 1)
      fauna::fail("fauna", fauna::to_text(m), "shared_hidden = expert_hidden, weights as they are",
                  "the reference library has no fields for others in this family");
    Config::Json j = decoder_json(m, model_type, causal, absent);
    j["intermediate_size"] = m.expert_hidden;
    j["intermediate_size_mlp"] = m.hidden;
    j["num_local_experts"] = m.experts;
    j["num_experts_per_tok"] = m.chosen;
    j["router_aux_loss_coef"] = shortest(m.balance);
    j["attention_bias"] = both_biases(m);
    j["use_qk_norm"] = m.unit_length;
    j["interleave_moe_layer_step"] = m.moe_every;
    j["no_rope_layers"] = Config::Json::array();
    for (int i = 0; i < m.layers; ++i) j["no_rope_layers"].push_back((i + 1) % m.full_every == 0 ? 0 : 1);
    j["attention_chunk_size"] = nullptr;
    if (m.window != fauna::unbounded) j["attention_chunk_size"] = m.window;
    j["attn_temperature_tuning"] = m.growth > 0;
    j["floor_scale"] = m.growth_every;
    if (m.growth > 0) j["attn_scale"] = m.growth;
    return j;
  }

 private:
  /// Is there a list, with something in it?
  static bool listed(Config& c, const char* field) {
    Config::Json const* list = c.find(field);
    return list != nullptr && !list->empty();
  }
  /// The last of each so many layers.
  static void read_moe_layers(Config& c, config& m, Config::Json const& layers) {
    const std::size_t n = layers.size();
    m.moe_every = n == 0 ? 0 : m.layers / static_cast<int>(n);
    bool regular = layers.is_array() && n > 0;
    for (std::size_t i = 0; regular && i < n; ++i) regular = layers[i] == static_cast<int>(i + 1) * m.moe_every - 1;
    if (!regular) c.wrong("moe_layers", "the last of each so many layers");
  }
};

const Registered<Llama4> registered_llama4;

}  // namespace
}  // namespace tool
