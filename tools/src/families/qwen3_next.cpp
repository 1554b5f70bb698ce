// Qwen3-Next.
#include <fauna/models/qwen3_next.hpp>
#include <tools/src/delta_fields.hpp>
#include <tools/src/family.hpp>
#include <tools/src/moe_fields.hpp>

namespace tool {
namespace {

struct Qwen3Next {
  using config = fauna::Qwen3NextConfig;
  static constexpr const char *model_type = "qwen3_next", *causal = "Qwen3NextForCausalLM",
                              *headless = "Qwen3NextModel";
  static constexpr Absent absent{.context = 32768, .epsilon = 1e-6, .turned = 0.25};
  static std::vector<std::pair<const char*, config>> presets() {
    return {{"qwen3next-shakespeare", fauna::Qwen3NextShakespeare::config},
            {"qwen3-next-80b-a3b", fauna::Qwen3Next_80B_A3B::config}};
  }

  static config read(Config& c) {
    config m = read_delta_decoder<config>(c, absent);
    m.mlps = "e";
    read_mixture(c, m);
    c.only("mlp_only_layers", Config::Json::array());
    m.renormalised = c.flag("norm_topk_prob", true);
    m.shared_hidden = c.whole("shared_expert_intermediate_size", 512);
    return m;
  }

  static Config::Json write(config const& m) {
    all_experts(m);
    Config::Json j = delta_decoder_json(m, model_type, causal, absent);
    mixture_json(m, j);
    j["shared_expert_intermediate_size"] = m.shared_hidden;
    return j;
  }
};

const Registered<Qwen3Next> registered_qwen3_next;

}  // namespace
}  // namespace tool
