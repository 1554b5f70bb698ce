// GPT-J.
#include <fauna/models/gptj.hpp>
#include <tools/src/classics.hpp>
#include <tools/src/family.hpp>

namespace tool {
namespace {

struct GptJ {
  using config = fauna::GptJConfig;
  static constexpr const char *model_type = "gptj", *causal = "GPTJForCausalLM", *headless = "GPTJModel";
  static constexpr SizeFields fields{"n_layer", "n_head", "n_embd", "n_inner", "n_positions"};
  static std::vector<std::pair<const char*, config>> presets() {
    return {{"gpt-j-shakespeare", fauna::GptJShakespeare::config}, {"gpt-j-6b", fauna::GptJ6B::config}};
  }

  static config read(Config& c) {
    config m = read_classic<config>(c, fields, 2048, false);
    const int rotary = c.whole("rotary_dim", 64);
    if (rotary > m.head_size || rotary % 2 != 0)
      c.wrong("rotary_dim", "an even number, at most the " + std::to_string(m.head_size) + " columns of a head");
    m.turned = static_cast<double>(rotary) / m.head_size;
    m.act = c.one_of("activation_function", activations(), "gelu_new");
    without_dropout(c, {"resid_pdrop", "embd_pdrop", "attn_pdrop"});
    c.without_effect({"rotary", "scale_attn_weights"});
    return m;
  }

  static Config::Json write(config const& m) {
    Config::Json j = classic_json(m, fields, model_type, causal);
    j["rotary_dim"] = static_cast<int>(std::lround(m.turned * m.head_size));
    j["activation_function"] = reference_name(m.act);
    return j;
  }
};

const Registered<GptJ> registered_gptj;

}  // namespace
}  // namespace tool
