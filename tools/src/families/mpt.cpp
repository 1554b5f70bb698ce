// MPT.
#include <fauna/models/mpt.hpp>
#include <tools/src/classics.hpp>
#include <tools/src/family.hpp>
#include <tools/src/gguf_fields.hpp>

namespace tool {
namespace {

struct Mpt {
  using config = fauna::MptConfig;
  static constexpr const char *model_type = "mpt", *causal = "MptForCausalLM", *headless = "MptModel";
  static constexpr SizeFields fields{"n_layers", "n_heads", "d_model", nullptr, "max_seq_len"};
  static std::vector<std::pair<const char*, config>> presets() {
    return {{"mpt-shakespeare", fauna::MptShakespeare::config},
            {"mpt-7b", fauna::Mpt7B::config},
            {"mpt-30b", fauna::Mpt30B::config}};
  }

  static config read(Config& c) {
    config m = read_classic<config>(c, fields, 2048, true);
    c.only("expansion_ratio", 4);
    m.hidden = 4 * m.width;
    c.only("no_bias", true);
    c.only("norm_type", "low_precision_layernorm");
    c.only("embedding_fraction", 1.0);
    if (c.has("logit_scale")) c.wrong("logit_scale", "null: the reference library does not use it either");
    auto in = c.inner("attn_config");
    if (!in) return m;
    in->only("attn_type", "multihead_attention");
    in->only("alibi", true);
    in->only("alibi_bias_max", 8);
    in->only("qk_ln", false);
    in->only("prefix_lm", false);
    if (in->has("clip_qkv")) m.clip = in->positive("clip_qkv");
    if (in->has("softmax_scale")) m.score_scale = in->positive("softmax_scale");
    without_dropout(*in, {"attn_pdrop"});
    in->without_effect({"attn_impl", "attn_uses_sequence_id"});
    // What the reference library writes into any config.
    in->without_effect({"_name_or_path", "architectures", "chunk_size_feed_forward", "dtype", "id2label",
                        "is_encoder_decoder", "label2id", "model_type", "output_attentions", "output_hidden_states",
                        "problem_type", "return_dict"});
    in->all_used("attention");
    without_dropout(c, {"emb_pdrop", "resid_pdrop"});
    c.without_effect({"init_device", "learned_pos_emb", "use_cache", "init_config", "verbose"});
    return m;
  }

  static Config::Json write(config const& m) {
    if (m.act != fauna::activation::gelu)
      fauna::fail("fauna", fauna::to_text(m), "the activation gelu", "mpt has no other in the reference library");
    Config::Json j = classic_json(m, fields, model_type, causal);
    j["attn_config"] = {{"alibi", true}};
    if (m.clip > 0) j["attn_config"]["clip_qkv"] = m.clip;
    if (m.score_scale > 0) j["attn_config"]["softmax_scale"] = m.score_scale;
    return j;
  }

  static constexpr const char* gguf_name = "mpt";
  template <class Io> static void gguf(Io& io) {
    gguf_sizes(io);
    io.head_size(&config::head_size, io.get().heads, io.get().width);
    gguf_table(io, layer_epsilon);
    io.option("attention.clamp_kqv", &config::clip, 0.0);
    io.same("attention.max_alibi_bias", 8.0);
  }
};

const Registered<Mpt> registered_mpt;

}  // namespace
}  // namespace tool
