// RWKV-5.2. Its weights come without a config.json: the tensors say what the model is.
#include <fauna/models/rwkv5.hpp>
#include <tools/src/family.hpp>
#include <tools/src/fields.hpp>
#include <tools/src/rwkv56_fields.hpp>

namespace tool {
namespace {

struct Rwkv5 {
  using config = fauna::Rwkv5Config;
  static constexpr const char *model_type = "rwkv5", *causal = "Rwkv5ForCausalLM", *headless = "Rwkv5Model";
  static std::vector<std::pair<const char*, config>> presets() {
    return {{"rwkv5-shakespeare", fauna::Rwkv5Shakespeare::config},
            {"rwkv5-0.1b", fauna::Rwkv5_0_1B::config},
            {"rwkv5-0.4b", fauna::Rwkv5_0_4B::config},
            {"rwkv5-1b5", fauna::Rwkv5_1_5B::config},
            {"rwkv5-3b", fauna::Rwkv5_3B::config},
            {"rwkv5-7b", fauna::Rwkv5_7B::config}};
  }

  static config read(Config& c) { return read_rwkv56<config>(c); }
  static Config::Json write(config const& c) { return write_rwkv56(c, "Rwkv5", model_type); }

  /// Nothing for tensors of another family.
  static std::optional<config> of_tensors(fauna::TensorFile const& file) {
    if (file.find("blocks.0.att.time_mix_g") == nullptr) return {};
    return rwkv56_of<config>(RwkvTensors(file, "RWKV-5.2"));
  }
};

const Registered<Rwkv5> registered_rwkv5;

}  // namespace
}  // namespace tool
