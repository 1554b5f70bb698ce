// Qwen3.5, its model of texts.
#include <fauna/models/qwen3_5.hpp>
#include <tools/src/delta_fields.hpp>
#include <tools/src/family.hpp>
#include <tools/src/moe_fields.hpp>

namespace tool {
namespace {

struct Qwen35 {
  using config = fauna::Qwen35Config;
  static constexpr const char *model_type = "qwen3_5_text", *causal = "Qwen3_5ForCausalLM",
                              *headless = "Qwen3_5TextModel";
  static constexpr Absent absent{.context = 32768, .epsilon = 1e-6, .turned = 0.25};
  static std::vector<std::pair<const char*, config>> presets() {
    return {{"qwen3.5-shakespeare", fauna::Qwen35Shakespeare::config},
            {"qwen3.5-0.8b", fauna::Qwen35_0_8B::config},
            {"qwen3.5-4b", fauna::Qwen35_4B::config},
            {"qwen3.5-27b", fauna::Qwen35_27B::config}};
  }

  static config read(Config& c) { return read_delta_decoder<config>(c, absent); }
  static Config::Json write(config const& m) { return delta_decoder_json(m, model_type, causal, absent); }
};

struct Qwen35Moe {
  using config = fauna::Qwen35MoeConfig;
  static constexpr const char *model_type = "qwen3_5_moe_text", *causal = "Qwen3_5MoeForCausalLM",
                              *headless = "Qwen3_5MoeTextModel";
  // No layer has an MLP without experts, and no file says how wide it would be.
  static constexpr Absent absent{.context = 32768, .hidden = config{}.hidden, .epsilon = 1e-6, .turned = 0.25};
  static std::vector<std::pair<const char*, config>> presets() {
    return {{"qwen3.5-moe-shakespeare", fauna::Qwen35MoeShakespeare::config},
            {"qwen3.5-35b-a3b", fauna::Qwen35_35B_A3B::config}};
  }

  static config read(Config& c) {
    config m = read_delta_decoder<config>(c, absent);
    m.hidden = config{}.hidden;
    m.mlps = "e";
    read_mixture(c, m);
    c.only("mlp_only_layers", Config::Json::array());
    m.renormalised = true;  // the reference library has no field for it
    c.only("norm_topk_prob", true);
    m.shared_hidden = c.whole("shared_expert_intermediate_size", 512);
    return m;
  }
  static Config::Json write(config const& m) {
    if (!m.renormalised)
      fauna::fail("fauna", fauna::to_text(m), "weights of experts that sum to 1",
                  "the reference library has no field for others in this family");
    all_experts(m);
    Config::Json j = delta_decoder_json(m, model_type, causal, absent);
    mixture_json(m, j);
    j.erase("intermediate_size");
    j["shared_expert_intermediate_size"] = m.shared_hidden;
    return j;
  }
};

const Registered<Qwen35> registered_qwen3_5;
const Registered<Qwen35Moe> registered_qwen3_5_moe;

}  // namespace
}  // namespace tool
