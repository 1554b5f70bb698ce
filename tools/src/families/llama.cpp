// Llama, and what is built like it.
#include <fauna/models/llama.hpp>
#include <tools/src/family.hpp>
#include <tools/src/fields.hpp>

namespace tool {
namespace {

struct Llama {
  using config = fauna::LlamaConfig;
  static constexpr const char *model_type = "llama", *causal = "LlamaForCausalLM", *headless = "LlamaModel";
  static std::vector<std::pair<const char*, config>> presets() {
    return {{"llama-2-7b", fauna::Llama2_7B::config},
            {"llama-3-8b", fauna::Llama3_8B::config},
            {"llama-3.2-1b", fauna::Llama32_1B::config},
            {"tinyllama-1.1b", fauna::TinyLlama::config},
            {"smollm2-135m", fauna::SmolLm2_135M::config}};
  }

  static config read(Config& c) {
    fauna::LlamaConfig l{.layers = c.whole("num_hidden_layers"), .heads = c.whole("num_attention_heads")};
    l.kv_heads = c.whole("num_key_value_heads", l.heads);
    l.width = c.whole("hidden_size");
    l.hidden = c.whole("intermediate_size");
    l.context = c.whole("max_position_embeddings", 2048);
    l.vocab = c.whole("vocab_size");
    if (l.heads % l.kv_heads != 0)
      c.wrong("num_key_value_heads", "a number that divides the " + std::to_string(l.heads) + " heads");
    l.head_size = c.has("head_dim") ? c.whole("head_dim") : head_size(c, "num_attention_heads", l.heads, l.width);
    if (l.head_size % 2 != 0) c.wrong("head_dim", "an even number: columns turn in pairs");
    const Rope rope = rope_of(c, 1, l.context);
    if (rope.fraction != 1)
      c.wrong(c.has("partial_rotary_factor") ? "partial_rotary_factor" : rope.inside,
              "a partial_rotary_factor of 1, the only one that is implemented for llama");
    l.base = rope.base;
    l.scaling = rope.scaling;
    l.tied = c.flag("tie_word_embeddings", false);
    l.epsilon = static_cast<float>(c.positive("rms_norm_eps", 1e-6));
    l.attention_bias = c.flag("attention_bias", false);
    l.mlp_bias = c.flag("mlp_bias", false);
    l.act = c.one_of("hidden_act", activations(), "silu");
    c.only("rope_interleaved", false);
    c.without_effect({"is_llama_config", "pretraining_tp"});  // the latter: into how many pieces products were cut
    return l;
  }

  static Config::Json write(config const& c) {
    Config::Json scaling;  // null without one
    if (c.scaling.kind != fauna::rope_scaling::none)
      scaling = {{"rope_type", fauna::name_of(c.scaling.kind)}, {"factor", c.scaling.factor}};
    if (c.scaling.kind == fauna::rope_scaling::llama3) {
      scaling["low_freq_factor"] = c.scaling.low;
      scaling["high_freq_factor"] = c.scaling.high;
      scaling["original_max_position_embeddings"] = c.scaling.original;
    }
    return {{"model_type", "llama"},
            {"architectures", {"LlamaForCausalLM"}},
            {"num_hidden_layers", c.layers},
            {"num_attention_heads", c.heads},
            {"num_key_value_heads", c.kv_heads},
            {"head_dim", c.head_size},
            {"hidden_size", c.width},
            {"intermediate_size", c.hidden},
            {"max_position_embeddings", c.context},
            {"vocab_size", c.vocab},
            {"rope_theta", c.base},
            {"rope_scaling", scaling},
            {"tie_word_embeddings", c.tied},
            {"rms_norm_eps", shortest(c.epsilon)},
            {"attention_bias", c.attention_bias},
            {"mlp_bias", c.mlp_bias},
            {"hidden_act", reference_name(c.act)}};
  }
};

const Registered<Llama> registered;

}  // namespace
}  // namespace tool
