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

  /// The fields of fla's config.json, for weights under the names of .pth files.
  static config read(Config& c) {
    config m{.layers = c.whole("num_hidden_layers"), .width = c.whole("hidden_size")};
    m.heads = c.whole("num_heads", m.width / 64);
    m.hidden = c.whole("intermediate_size", 4 * m.width);
    m.decay = c.whole("decay_low_rank_dim");
    m.learning = c.whole("a_low_rank_dim");
    m.value = c.whole("v_low_rank_dim");
    m.gate = c.whole("gate_low_rank_dim");
    m.vocab = c.whole("vocab_size");
    if (m.layers < 2) c.wrong("num_hidden_layers", "2 or more");
    (void)head_size(c, "num_heads", m.heads, m.width);
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

const Registered<Rwkv7> registered;

}  // namespace
}  // namespace tool
