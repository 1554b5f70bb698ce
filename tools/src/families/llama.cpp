// Llama, and what is built like it.
#include <fauna/models/llama.hpp>
#include <tools/src/family.hpp>
#include <tools/src/gguf_fields.hpp>
#include <tools/src/llama_fields.hpp>

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
    const config l = read_llama(c);
    c.without_effect({"is_llama_config", "pretraining_tp"});  // the latter: into how many pieces products were cut
    return l;
  }
  static Config::Json write(config const& c) { return llama_json(c, model_type, causal); }

  static constexpr const char* gguf_name = "llama";
  static bool gguf_is(GgufKeys& k) { return !k.says("expert_count"); }
  template <class Io> static void gguf(Io& io) {
    gguf_decoder(io);
    io.tensor("blk.0.attn_q.bias", &config::attention_bias);
    io.tensor("blk.0.ffn_gate.bias", &config::mlp_bias);
  }
};

const Registered<Llama> registered_llama;

}  // namespace
}  // namespace tool
