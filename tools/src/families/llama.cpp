// Llama, and what is built like it.
#include <fauna/models/llama.hpp>
#include <tools/src/dense.hpp>
#include <tools/src/family.hpp>

namespace tool {
namespace {

struct Llama {
  using config = fauna::LlamaConfig;
  static constexpr const char *model_type = "llama", *causal = "LlamaForCausalLM", *headless = "LlamaModel";
  static std::vector<std::pair<const char*, config>> presets() {
    return {{"llama-2-7b", fauna::Llama2_7B::config},        {"llama-3-8b", fauna::Llama3_8B::config},
            {"llama-3.1-8b", fauna::Llama31_8B::config},     {"llama-3.1-70b", fauna::Llama31_70B::config},
            {"llama-3.1-405b", fauna::Llama31_405B::config}, {"llama-3.2-1b", fauna::Llama32_1B::config},
            {"llama-3.2-3b", fauna::Llama32_3B::config},     {"tinyllama-1.1b", fauna::TinyLlama::config},
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
    fauna::LlamaConfig l{.layers = k.whole("block_count"), .heads = k.whole("attention.head_count")};
    l.kv_heads = k.whole("attention.head_count_kv", l.heads);
    l.width = k.whole("embedding_length");
    l.hidden = k.whole("feed_forward_length");
    l.context = k.whole("context_length");
    if (l.heads % l.kv_heads != 0)
      k.wrong("attention.head_count_kv", std::to_string(l.kv_heads),
              "a number that divides the " + std::to_string(l.heads) + " heads");
    l.head_size = k.whole("attention.key_length", l.width / l.heads);
    if (l.head_size < 2 || l.head_size % 2 != 0)
      k.wrong("attention.key_length", std::to_string(l.head_size), "an even number: columns turn in pairs");
    k.only("attention.value_length", l.head_size);
    k.only("rope.dimension_count", l.head_size);
    k.only("expert_count", 0);
    k.only("expert_used_count", 0);
    fauna::TensorFile const& file = k.file();
    if (const std::string last = "blk." + std::to_string(l.layers - 1) + ".attn_norm.weight";
        file.find(last) == nullptr)
      k.wrong("block_count", std::to_string(l.layers) + ", and there is no " + last, "as many layers as the file has");
    const fauna::SafeTensor* table = file.find("token_embd.weight");
    if (table == nullptr || table->shape.size() != 2 || table->shape[0] > 0x7fffffff)
      fauna::fail("config", file.path() + " has no token_embd.weight of two dimensions", "the token table");
    l.vocab = static_cast<int>(table->shape[0]);
    k.only("vocab_size", l.vocab);
    l.base = k.positive("rope.freq_base", 10000);
    const std::string scaling = k.text("rope.scaling.type", "none");
    if (scaling == "linear") l.scaling = {fauna::rope_scaling::linear, k.positive("rope.scaling.factor", 1)};
    else if (scaling != "none") k.wrong("rope.scaling.type", scaling, "none or linear");
    if (file.find("rope_freqs.weight") != nullptr)
      fauna::fail("config", file.path() + " has rope_freqs.weight, frequencies that are scaled one by one",
                  "none: they are not read yet");
    l.tied = file.find("output.weight") == nullptr;
    l.epsilon = static_cast<float>(k.positive("attention.layer_norm_rms_epsilon", 1e-5));
    l.attention_bias = file.find("blk.0.attn_q.bias") != nullptr;
    l.mlp_bias = file.find("blk.0.ffn_gate.bias") != nullptr;
    return l;
  }
};

const Registered<Llama> registered_llama;

}  // namespace
}  // namespace tool
