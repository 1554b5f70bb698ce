// RecurrentGemma.
#include <cmath>

#include <fauna/core/dtype.hpp>
#include <fauna/models/recurrent_gemma.hpp>
#include <tools/src/family.hpp>
#include <tools/src/hybrid_fields.hpp>

namespace tool {
namespace {

struct RecurrentGemma {
  using config = fauna::RecurrentGemmaConfig;
  static constexpr const char *model_type = "recurrent_gemma", *causal = "RecurrentGemmaForCausalLM",
                              *headless = "RecurrentGemmaModel";
  static constexpr Absent absent{.context = 8192,
                                 .epsilon = 1e-6,
                                 .turned = 0.5,
                                 .tied = true,
                                 .act = "gelu_pytorch_tanh",
                                 .act_field = "hidden_activation"};
  static std::vector<std::pair<const char*, config>> presets() {
    return {{"recurrentgemma-shakespeare", fauna::RecurrentGemmaShakespeare::config},
            {"recurrentgemma-2b", fauna::RecurrentGemma2B::config},
            {"recurrentgemma-9b", fauna::RecurrentGemma9B::config}};
  }

  static config read(Config& c) {
    config m = read_decoder<config>(c, absent);
    if (m.head_size * m.heads != m.width) c.wrong("head_dim", "the part of the width that a head has");
    if (m.hidden % 2 != 0) c.wrong("intermediate_size", "an even number: of gate and up together");
    m.hidden /= 2;
    m.channels = c.whole("lru_width", m.width);
    if (m.channels % m.heads != 0)
      c.wrong("lru_width", "a number that the " + std::to_string(m.heads) + " heads divide");
    m.taps = c.whole("conv1d_width", 4);
    m.window = c.whole("attention_window_size", 2048);
    m.logit_cap = static_cast<float>(c.positive("logits_soft_cap", 30));
    m.qkv_bias = c.flag("attention_bias", false);
    m.mixers = kinds(c, m.layers);
    m.embedding_scale = root(m.width);
    c.only("embeddings_scale_by_sqrt_dim", true);
    if (m.act != fauna::activation::gelu_tanh || m.scaling.kind != fauna::rope_scaling::none)
      c.wrong(m.act == fauna::activation::gelu_tanh ? "rope_parameters" : "hidden_activation",
              "gelu_pytorch_tanh and plain positions, the only ones that are implemented");
    c.without_effect({"w_init_variance_scale", "final_w_init_variance_scale"});  // of the start of a training
    return m;
  }

  static Config::Json write(config const& m) {
    writable(
        m,
        m.mlps == fauna::letters("d") && m.out_bias && m.mlp_bias && m.logit_cap > 0 &&
            m.embedding_scale == root(m.width),
        "biases out of attention and in MLPs, bounded logits, and embeddings times the root of the width in bfloat16");
    Config::Json j = decoder_json(m, model_type, causal, absent);
    j["intermediate_size"] = 2 * m.hidden;
    j["hidden_activation"] = "gelu_pytorch_tanh";
    j["lru_width"] = m.channels;
    j["conv1d_width"] = m.taps;
    j["attention_window_size"] = m.window;
    j["logits_soft_cap"] = shortest(m.logit_cap);
    j["attention_bias"] = m.qkv_bias;
    j["block_types"] = kinds_json(m.mixers, m.mixers.round(), {{'r', "recurrent"}, {'w', "attention"}});
    return j;
  }

 private:
  /// The root of the width as the reference library's bfloat16 has it.
  static double root(int width) {
    return static_cast<double>(static_cast<float>(fauna::bf16(std::sqrt(static_cast<float>(width)))));
  }
  /// Of block_types, which repeat.
  static fauna::letters kinds(Config& c, int layers) {
    if (!c.has("block_types")) return fauna::letters("rrw");
    Config::Json const* list = c.find("block_types");
    if (!list->is_array() || list->empty() || list->size() > static_cast<std::size_t>(layers))
      c.wrong("block_types", "a list of 1 to " + std::to_string(layers) + " words");
    return layer_kinds(c, "block_types", static_cast<int>(list->size()), {{"recurrent", 'r'}, {"attention", 'w'}});
  }
};

const Registered<RecurrentGemma> registered_recurrent_gemma;

}  // namespace
}  // namespace tool
