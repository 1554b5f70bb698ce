// Falcon: 7B, 40B and 180B, and RW.
#include <fauna/models/falcon.hpp>
#include <tools/src/classics.hpp>
#include <tools/src/family.hpp>
#include <tools/src/gguf_fields.hpp>

namespace tool {
namespace {

struct Falcon {
  using config = fauna::FalconConfig;
  static constexpr const char *model_type = "falcon", *causal = "FalconForCausalLM", *headless = "FalconModel";
  static constexpr SizeFields fields{"num_hidden_layers", "num_attention_heads", "hidden_size", "ffn_hidden_size",
                                     "max_position_embeddings"};
  static std::vector<std::pair<const char*, config>> presets() {
    return {{"falcon-shakespeare", fauna::FalconShakespeare::config},
            {"falcon-7b", fauna::Falcon7B::config},
            {"falcon-40b", fauna::Falcon40B::config},
            {"falcon-180b", fauna::Falcon180B::config},
            {"falcon-rw-1b", fauna::FalconRw1B::config}};
  }

  static config read(Config& c) {
    SizeFields f = fields;
    if (c.has("n_embed")) f.width = "n_embed";
    if (c.has("n_layer")) f.layers = "n_layer";
    if (c.has("n_head")) f.heads = "n_head";
    config m = read_classic<config>(c, f, 2048, true);
    m.grouped = c.flag("new_decoder_architecture", false);
    m.alibi = c.flag("alibi", false);
    if (m.grouped && m.alibi) c.wrong("alibi", "false, beside new_decoder_architecture");
    if (m.grouped) m.kv_heads = c.whole("num_kv_heads", m.heads);
    else if (!m.alibi) m.kv_heads = 1;
    if (m.heads % m.kv_heads != 0) c.wrong("num_kv_heads", "a number that divides the heads");
    c.without_effect({"num_kv_heads", "n_head_kv"});  // of the form alone that has some
    c.only("parallel_attn", !m.alibi);
    if (m.grouped) {
      c.only("num_ln_in_parallel_attn", 2);
      c.without_effect({"multi_query"});
    } else if (c.flag("multi_query", true) == m.alibi) c.wrong("multi_query", m.alibi ? "false" : "true");
    m.bias = c.flag("bias", false);
    m.act = c.one_of("activation", activations(), "gelu");
    m.base = plain_rope_base(c, m.context);
    without_dropout(c, {"hidden_dropout"});
    c.without_effect({"apply_residual_connection_post_layernorm"});
    return m;
  }

  static Config::Json write(config const& m) {
    Config::Json j = classic_json(m, fields, model_type, causal);
    j["new_decoder_architecture"] = m.grouped;
    j["alibi"] = m.alibi;
    j["parallel_attn"] = !m.alibi;
    j["multi_query"] = !m.alibi;
    if (m.grouped) j["num_kv_heads"] = m.kv_heads;
    j["bias"] = m.bias;
    j["activation"] = reference_name(m.act);
    j["rope_theta"] = m.base;
    return j;
  }

  static constexpr const char* gguf_name = "falcon";
  template <class Io> static void gguf(Io& io) {
    gguf_sizes(io);
    gguf_table(io, layer_epsilon);
    gguf_rotary(io, gguf_head_columns(io));
    io.tensor("blk.0.attn_norm_2.weight", &config::grouped);
    config const& m = io.get();
    io.check(m.grouped || m.kv_heads == 1, "attention.head_count_kv", m.kv_heads, "1 in a file without attn_norm_2");
    io.same("tensor_data_layout", "jploski");
  }
};

const Registered<Falcon> registered_falcon;

}  // namespace
}  // namespace tool
