// BLOOM.
#include <fauna/models/bloom.hpp>
#include <tools/src/classics.hpp>
#include <tools/src/family.hpp>
#include <tools/src/gguf_fields.hpp>

namespace tool {
namespace {

struct Bloom {
  using config = fauna::BloomConfig;
  static constexpr const char *model_type = "bloom", *causal = "BloomForCausalLM", *headless = "BloomModel";
  static constexpr SizeFields fields{"n_layer", "n_head", "hidden_size", nullptr, nullptr};
  static std::vector<std::pair<const char*, config>> presets() {
    return {{"bloom-shakespeare", fauna::BloomShakespeare::config},
            {"bloom-560m", fauna::Bloom560M::config},
            {"bloom-1b1", fauna::Bloom1_1B::config},
            {"bloom-1b7", fauna::Bloom1_7B::config},
            {"bloom-3b", fauna::Bloom3B::config},
            {"bloom-7b1", fauna::Bloom7_1B::config},
            {"bloom", fauna::Bloom176B::config}};
  }

  static config read(Config& c) {
    SizeFields f = fields;
    if (c.has("n_embed")) f.width = "n_embed";
    if (c.has("num_hidden_layers")) f.layers = "num_hidden_layers";
    if (c.has("num_attention_heads")) f.heads = "num_attention_heads";
    config m = read_classic<config>(c, f, c.whole("seq_length", 2048), true);
    c.only("apply_residual_connection_post_layernorm", false);
    without_dropout(c, {"hidden_dropout"});
    // How the training was cut and computed; the rest is what older files say of it.
    c.without_effect({"pretraining_tp", "slow_but_exact", "attention_softmax_in_fp32", "bias_dropout_fusion",
                      "masked_softmax_fusion", "offset_alibi", "skip_bias_add", "skip_bias_add_qkv"});
    return m;
  }

  static Config::Json write(config const& m) {
    if (m.act != fauna::activation::gelu_tanh)
      fauna::fail("fauna", fauna::to_text(m), "the activation gelu_tanh",
                  "bloom has no other in the reference library");
    Config::Json j = classic_json(m, fields, model_type, causal);
    j["seq_length"] = m.context;
    return j;
  }

  static constexpr const char* gguf_name = "bloom";
  template <class Io> static void gguf(Io& io) {
    gguf_sizes(io);
    io.head_size(&config::head_size, io.get().heads, io.get().width);
    gguf_table(io, layer_epsilon);
  }
};

const Registered<Bloom> registered_bloom;

}  // namespace
}  // namespace tool
