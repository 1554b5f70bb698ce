// Llama, and what is built like it.
#include <fauna/models/llama.hpp>
#include <tools/src/dense.hpp>
#include <tools/src/family.hpp>
#include <tools/src/gguf_fields.hpp>

namespace tool {
namespace {

struct Llama {
  using config = fauna::LlamaConfig;
  static constexpr const char *model_type = "llama", *causal = "LlamaForCausalLM", *headless = "LlamaModel";
  static std::vector<std::pair<const char*, config>> presets() {
    return {{"llama-shakespeare", fauna::LlamaShakespeare::config},
            {"llama-2-7b", fauna::Llama2_7B::config},
            {"llama-3-8b", fauna::Llama3_8B::config},
            {"llama-3.1-8b", fauna::Llama31_8B::config},
            {"llama-3.1-70b", fauna::Llama31_70B::config},
            {"llama-3.1-405b", fauna::Llama31_405B::config},
            {"llama-3.2-1b", fauna::Llama32_1B::config},
            {"llama-3.2-3b", fauna::Llama32_3B::config},
            {"tinyllama-1.1b", fauna::TinyLlama::config},
            {"smollm2-135m", fauna::SmolLm2_135M::config}};
  }

  static config read(Config& c) {
    config l;
    read_sizes(c, l, {.epsilon = 1e-6});
    const Rope rope = rope_of(c, {.context = l.context});
    if (rope.fraction != 1)
      c.wrong(c.has("partial_rotary_factor") ? "partial_rotary_factor" : rope.inside,
              "a partial_rotary_factor of 1, the only one that is implemented for llama");
    l.base = rope.base;
    l.scaling = rope.scaling;
    l.attention_bias = c.flag("attention_bias", false);
    l.mlp_bias = c.flag("mlp_bias", false);
    l.act = c.one_of("hidden_act", activations(), "silu");
    c.only("rope_interleaved", false);
    c.without_effect({"is_llama_config", "pretraining_tp"});  // the latter: into how many pieces products were cut
    return l;
  }

  static Config::Json write(config const& c) {
    Config::Json j = sizes_json(c, model_type, causal);
    j["rope_scaling"] = scaling_json(c.scaling);
    j["attention_bias"] = c.attention_bias;
    j["mlp_bias"] = c.mlp_bias;
    j["hidden_act"] = reference_name(c.act);
    return j;
  }

  static config of_gguf(GgufKeys& k) {
    auto l = read_gguf_sizes<config>(k);
    l.attention_bias = k.file().find("blk.0.attn_q.bias") != nullptr;
    l.mlp_bias = k.file().find("blk.0.ffn_gate.bias") != nullptr;
    return l;
  }

  static GgufForm to_gguf(config const& c, fauna::GgufMetadata& keys) {
    put_gguf_sizes(c, model_type, keys, fauna::to_text(c));
    gguf_only(fauna::to_text(c), c.act == fauna::activation::silu, "the activation silu");
    return {c.layers, c.heads, c.kv_heads};
  }
};

const Registered<Llama> registered_llama;

}  // namespace
}  // namespace tool
