// DeepSeek-V2 and V3.
#include <cmath>

#include <fauna/models/deepseek.hpp>
#include <tools/src/family.hpp>
#include <tools/src/gguf_fields.hpp>
#include <tools/src/moe_fields.hpp>

namespace tool {
namespace {

/// Attention, the mixture, and what either family says beside them.
template <class C> C read_deepseek(Config& c, Absent const& absent) {
  C m = read_decoder<C>(c, absent);
  m.kv_heads = C{}.kv_heads;  // of latents there is one
  m.head_size = C{}.head_size;
  c.without_effect({"head_dim", "qk_head_dim"});
  if (c.has("q_lora_rank")) m.query_rank = c.whole("q_lora_rank");
  c.without_effect({"q_lora_rank"});
  m.rank = c.whole("kv_lora_rank", m.rank);
  m.nope = c.whole("qk_nope_head_dim", m.nope);
  m.rope = c.whole("qk_rope_head_dim", m.rope);
  if (m.rope % 2 != 0) c.wrong("qk_rope_head_dim", "an even number: columns turn in pairs");
  m.value = c.whole("v_head_dim", m.value);
  for (const char* field : {"rope_parameters", "rope_scaling"})
    if (auto in = c.inner(field); in && m.scaling.kind == fauna::rope_scaling::yarn && in->has("mscale_all_dim"))
      m.score_scale = fauna::yarn_score_scale(m.scaling.factor, in->positive("mscale_all_dim"), m.nope + m.rope);
  read_grouped_mixture(c, m);
  c.only("attention_bias", false);
  c.only("moe_layer_freq", 1);
  c.without_effect({"aux_loss_alpha", "seq_aux", "ep_size", "pretraining_tp"});  // of training
  return m;
}
template <class C> Config::Json deepseek_json(C const& m, const char* type, const char* causal, Absent const& absent) {
  if (m.qkv_bias || m.out_bias || m.mlp_bias)
    fauna::fail("fauna", fauna::to_text(m), "no biases", "this family has none");
  Config::Json j = decoder_json(m, type, causal, absent);
  grouped_mixture_json(m, j);
  if (m.score_scale > 0) {
    const double root = std::sqrt(m.score_scale * std::sqrt(m.nope + m.rope)), most = 1e9;
    if (m.scaling.kind != fauna::rope_scaling::yarn || m.scaling.factor <= 1 || root <= 1)
      fauna::fail("fauna", fauna::to_text(m), "no score_scale but that of YaRN",
                  "the reference library has no field for it");
    const double mscale = (root - 1) / (0.1 * std::log(m.scaling.factor));
    j["rope_scaling"]["mscale_all_dim"] = std::round(mscale * most) / most;
  }
  j["num_key_value_heads"] = m.heads;
  j["head_dim"] = m.rope;
  j["q_lora_rank"] = nullptr;
  if (m.query_rank > 0) j["q_lora_rank"] = m.query_rank;
  j["kv_lora_rank"] = m.rank;
  j["qk_nope_head_dim"] = m.nope;
  j["qk_rope_head_dim"] = m.rope;
  j["v_head_dim"] = m.value;
  return j;
}

/// The keys of both families.
template <class Io> void gguf_deepseek(Io& io, int gate) {
  using C = typename Io::config;
  io.layers(&C::layers, io.get().dense == 0);
  io.whole("context_length", &C::context);
  io.whole("embedding_length", &C::width);
  io.whole("feed_forward_length", &C::hidden);
  io.latent_heads(&C::heads);
  io.option("attention.q_lora_rank", &C::query_rank, 0);
  io.whole("attention.kv_lora_rank", &C::rank);
  io.whole("rope.dimension_count", &C::rope);
  io.check(io.get().rope % 2 == 0, "rope.dimension_count", io.get().rope, "an even number: columns turn in pairs");
  io.sum("attention.key_length_mla", &C::rope, &C::nope);
  io.whole("attention.value_length_mla", &C::value);
  io.unread("attention.key_length", io.get().rank + io.get().rope);
  io.unread("attention.value_length", io.get().rank);
  gguf_table(io, rms_epsilon);
  io.base(&C::base);
  io.latent_scaling(&C::scaling, &C::score_scale, io.get().nope + io.get().rope);
  gguf_grouped_mixture(io, gate);
}
/// One architecture of GGUF is both: of V2's older files nothing says how they gate.
inline int gguf_gate(GgufKeys& k) { return k.whole(gating, gates_softmax); }

struct DeepseekV2 {
  using config = fauna::DeepseekV2Config;
  static constexpr const char *model_type = "deepseek_v2", *causal = "DeepseekV2ForCausalLM",
                              *headless = "DeepseekV2Model";
  static constexpr Absent absent{.epsilon = 1e-6};
  static std::vector<std::pair<const char*, config>> presets() {
    return {{"deepseek-v2-shakespeare", fauna::DeepseekV2Shakespeare::config},
            {"deepseek-v2-lite", fauna::DeepseekV2Lite::config}};
  }

  static config read(Config& c) {
    config m = read_deepseek<config>(c, absent);
    m.renormalised = config{}.renormalised;
    c.only("norm_topk_prob", false);
    c.only("scoring_func", "softmax");
    c.only("mlp_bias", false);
    if (!c.one_of("topk_method", std::map<std::string, bool>{{"greedy", false}, {"group_limited_greedy", true}},
                  "greedy"))
      m.groups = m.kept_groups = 1;
    return m;
  }
  static Config::Json write(config const& m) {
    Config::Json j = deepseek_json(m, model_type, causal, absent);
    j["topk_method"] = m.groups > 1 ? "group_limited_greedy" : "greedy";
    j["scoring_func"] = "softmax";
    return j;
  }

  static constexpr const char* gguf_name = "deepseek2";
  static bool gguf_is(GgufKeys& k) { return gguf_gate(k) == gates_softmax; }
  template <class Io> static void gguf(Io& io) { gguf_deepseek(io, gates_softmax); }
};

struct DeepseekV3 {
  using config = fauna::DeepseekV3Config;
  static constexpr const char *model_type = "deepseek_v3", *causal = "DeepseekV3ForCausalLM",
                              *headless = "DeepseekV3Model";
  static constexpr Absent absent{.context = 4096, .epsilon = 1e-6};
  static std::vector<std::pair<const char*, config>> presets() {
    return {{"deepseek-v3-shakespeare", fauna::DeepseekV3Shakespeare::config},
            {"deepseek-v3", fauna::DeepseekV3_671B::config},
            {"deepseek-v3-mtp", fauna::DeepseekV3_671B_Mtp::config},
            {"moonlight-16b-a3b", fauna::Moonlight_16B_A3B::config}};
  }

  static config read(Config& c) {
    config m = read_deepseek<config>(c, absent);
    c.only("scoring_func", "sigmoid");
    c.only("topk_method", "noaux_tc");
    c.only("rope_interleave", true);
    // In inference only drafts read what predicts further tokens, and its layers in the files are passed over else.
    for (const char* field : {"num_nextn_predict_layers", "num_mtp_layers"})
      if (Config::Json const* n = c.find(field); n != nullptr && *n != 0 && (c.use().training || c.use().further))
        m.further = c.whole(field);
    return m;
  }
  static Config::Json write(config const& m) {
    Config::Json j = deepseek_json(m, model_type, causal, absent);
    j["topk_method"] = "noaux_tc";
    j["scoring_func"] = "sigmoid";
    j["rope_interleave"] = true;
    j["num_nextn_predict_layers"] = m.further;
    return j;
  }

  static constexpr const char* gguf_name = "deepseek2";
  static bool gguf_is(GgufKeys& k) { return gguf_gate(k) == gates_sigmoid; }
  template <class Io> static void gguf(Io& io) {
    gguf_deepseek(io, gates_sigmoid);
    io.of_training(&config::further);
  }
};

/// The same under another name.
struct KimiK2 : DeepseekV3 {
  static constexpr const char* model_type = "kimi_k2";
  static std::vector<std::pair<const char*, config>> presets() { return {{"kimi-k2", fauna::KimiK2::config}}; }
};

const Registered<DeepseekV2> registered_deepseek_v2;
const Registered<DeepseekV3> registered_deepseek_v3;
const Registered<KimiK2> registered_kimi_k2;

}  // namespace
}  // namespace tool
