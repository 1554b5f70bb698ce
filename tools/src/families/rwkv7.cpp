// RWKV-7. Its weights come without a config.json: the tensors say what the model is.
#include <fauna/models/rwkv7.hpp>
#include <tools/src/family.hpp>
#include <tools/src/fields.hpp>
#include <tools/src/rwkv_tensors.hpp>

namespace tool {
namespace {

struct Rwkv7 {
  using config = fauna::Rwkv7Config;
  static constexpr const char *model_type = "rwkv7", *causal = "RWKV7ForCausalLM", *headless = "RWKV7Model";
  static std::vector<std::pair<const char*, config>> presets() {
    return {{"rwkv7-shakespeare", fauna::Rwkv7Shakespeare::config},
            {"rwkv7-191m", fauna::Rwkv7_191M::config},
            {"rwkv7-450m", fauna::Rwkv7_450M::config},
            {"rwkv7-1.5b", fauna::Rwkv7_1_5B::config},
            {"rwkv7-2.9b", fauna::Rwkv7_2_9B::config}};
  }

  /// The fields of fla's config.json, for weights under its names or those of .pth files.
  static config read(Config& c) {
    config m{.layers = c.whole("num_hidden_layers"), .width = c.whole("hidden_size")};
    m.heads = c.whole("num_heads", m.width / 64);
    // The ε of fla's norm of heads is 1e-5 times this; that of the author's is 64e-5.
    if (c.has("head_dim") && (c.whole("head_dim") != 64 || m.width != 64 * m.heads))
      c.wrong("head_dim", "64 in " + std::to_string(m.heads) + " heads, the only one that is implemented");
    m.hidden = c.whole("intermediate_size", static_cast<int>(c.positive("hidden_ratio", 4) * m.width + 31) / 32 * 32);
    m.decay = c.whole("decay_low_rank_dim");
    m.learning = c.whole("a_low_rank_dim");
    m.value = c.whole("v_low_rank_dim");
    m.gate = c.whole("gate_low_rank_dim");
    m.vocab = c.whole("vocab_size");
    if (m.layers < 2) c.wrong("num_hidden_layers", "2 or more");
    (void)head_size(c, "num_heads", m.heads, m.width);
    if (Config::Json const* values = c.find("value_dim"))
      if (*values != Config::Json(std::vector<int>(static_cast<std::size_t>(m.layers), m.width)))
        c.wrong("value_dim", "the width of " + std::to_string(m.width) + " for each layer");
    // How fla computes, and how it trains.
    c.without_effect({"attn_mode", "fuse_norm", "fuse_cross_entropy", "fuse_linear_cross_entropy", "hidden_ratio",
                      "initializer_range", "max_position_embeddings", "use_l2warp"});
    if (c.has("attn")) c.wrong("attn", "none: layers of attention are not implemented");
    c.only("norm_first", true);
    c.only("norm_bias", true);
    c.only("hidden_act", "sqrelu");
    c.only("norm_eps", 1e-5);
    c.only("tie_word_embeddings", false);
    return m;
  }

  static Config::Json write(config const& c) {
    return {{"model_type", "rwkv7"},
            {"architectures", {"RWKV7ForCausalLM"}},
            {"num_hidden_layers", c.layers},
            {"hidden_size", c.width},
            {"num_heads", c.heads},
            {"intermediate_size", c.hidden},
            {"decay_low_rank_dim", c.decay},
            {"a_low_rank_dim", c.learning},
            {"v_low_rank_dim", c.value},
            {"gate_low_rank_dim", c.gate},
            {"vocab_size", c.vocab},
            {"hidden_act", "sqrelu"},
            {"norm_eps", 1e-5},
            {"tie_word_embeddings", false}};
  }

  static constexpr const char* gguf_name = "rwkv7";
  template <class Io> static void gguf(Io& io) {
    gguf_rwkv(io);
    io.whole("attention.decay_lora_rank", &config::decay);
    io.whole("attention.iclr_lora_rank", &config::learning);
    io.whole("attention.value_residual_mix_lora_rank", &config::value);
    io.whole("attention.gate_lora_rank", &config::gate);
  }

  /// Nothing for tensors of another family.
  static std::optional<config> of_tensors(fauna::TensorFile const& file) {
    if (file.find("blocks.0.att.r_k") == nullptr) return {};
    const RwkvTensors tensors(file, "RWKV-7");
    config m{.layers = 0, .heads = tensors.size("blocks.0.att.r_k", 0), .width = tensors.size("emb.weight", 1)};
    m.layers = tensors.layers();
    m.hidden = tensors.size("blocks.0.ffn.key.weight", 0);
    m.decay = tensors.rank("blocks.0.att.w1");
    m.learning = tensors.rank("blocks.0.att.a1");
    m.value = tensors.rank("blocks.1.att.v1");
    m.gate = tensors.rank("blocks.0.att.g1");
    m.vocab = tensors.size("emb.weight", 0);
    return m;
  }
};

const Registered<Rwkv7> registered_rwkv7;

}  // namespace
}  // namespace tool
