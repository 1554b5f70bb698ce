// OPT.
#include <fauna/models/opt.hpp>
#include <tools/src/classics.hpp>
#include <tools/src/family.hpp>

namespace tool {
namespace {

struct Opt {
  using config = fauna::OptConfig;
  static constexpr const char *model_type = "opt", *causal = "OPTForCausalLM", *headless = "OPTModel";
  static constexpr SizeFields fields{"num_hidden_layers", "num_attention_heads",     "hidden_size",
                                     "ffn_dim",           "max_position_embeddings", nullptr};
  static std::vector<std::pair<const char*, config>> presets() {
    return {{"opt-shakespeare", fauna::OptShakespeare::config},
            {"opt-125m", fauna::Opt125M::config},
            {"opt-1.3b", fauna::Opt1_3B::config},
            {"opt-2.7b", fauna::Opt2_7B::config},
            {"opt-6.7b", fauna::Opt6_7B::config},
            {"opt-13b", fauna::Opt13B::config},
            {"opt-30b", fauna::Opt30B::config}};
  }

  static config read(Config& c) {
    config m = read_classic<config>(c, fields, 2048, true);
    m.hidden = c.whole("ffn_dim");
    c.only("word_embed_proj_dim", m.width);
    c.only("do_layer_norm_before", true);
    c.only("_remove_final_layer_norm", false);
    c.only("layer_norm_elementwise_affine", true);
    m.qkv_bias = m.out_bias = m.mlp_bias = c.flag("enable_bias", true);
    m.act = c.one_of("activation_function", activations(), "relu");
    without_dropout(c, {"dropout", "layerdrop"});
    c.without_effect({"prefix", "init_std", "activation_dropout"});  // the first: what a tokenizer puts before a text
    return m;
  }

  static Config::Json write(config const& m) {
    Config::Json j = classic_json(m, fields, model_type, causal);
    j["word_embed_proj_dim"] = m.width;
    j["do_layer_norm_before"] = true;
    j["enable_bias"] = both_biases(m) && m.mlp_bias;
    j["activation_function"] = reference_name(m.act);
    return j;
  }
};

const Registered<Opt> registered_opt;

}  // namespace
}  // namespace tool
