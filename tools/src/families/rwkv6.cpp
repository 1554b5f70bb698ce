// RWKV-6. Its weights come without a config.json: the tensors say what the model is.
#include <fauna/models/rwkv6.hpp>
#include <tools/src/family.hpp>
#include <tools/src/fields.hpp>
#include <tools/src/rwkv56_fields.hpp>

namespace tool {
namespace {

struct Rwkv6 {
  using config = fauna::Rwkv6Config;
  static constexpr const char *model_type = "rwkv6", *causal = "Rwkv6ForCausalLM", *headless = "Rwkv6Model";
  static std::vector<std::pair<const char*, config>> presets() {
    return {{"rwkv6-shakespeare", fauna::Rwkv6Shakespeare::config},
            {"rwkv6-0.1b", fauna::Rwkv6_0_1B::config},
            {"rwkv6-0.4b", fauna::Rwkv6_0_4B::config},
            {"rwkv6-1b5", fauna::Rwkv6_1_5B::config},
            {"rwkv6-3b", fauna::Rwkv6_3B::config},
            {"rwkv6-7b", fauna::Rwkv6_7B::config},
            {"rwkv6-14b", fauna::Rwkv6_14B::config}};
  }

  static config read(Config& c) {
    config m = read_rwkv56<config>(c);
    m.mix = c.whole("mix_low_rank_dim", 32);
    m.decay = c.whole("decay_low_rank_dim", 64);
    return m;
  }
  static Config::Json write(config const& c) {
    auto json = write_rwkv56(c, "Rwkv6", model_type);
    json["mix_low_rank_dim"] = c.mix;
    json["decay_low_rank_dim"] = c.decay;
    return json;
  }

  static constexpr const char* gguf_name = "rwkv6";
  template <class Io> static void gguf(Io& io) {
    gguf_rwkv(io);
    io.whole("time_mix_extra_dim", &config::mix);
    io.whole("time_decay_extra_dim", &config::decay);
    io.unread("rescale_every_n_layers", 0);  // HubGguf undoes it where it is done
    io.implied(&config::divisor, 8);
  }

  /// Nothing for tensors of another family.
  static std::optional<config> of_tensors(fauna::TensorFile const& file) {
    if (file.find("blocks.0.att.time_maa_x") == nullptr) return {};
    const RwkvTensors tensors(file, "RWKV-6");
    config m = rwkv56_of<config>(tensors);
    m.mix = tensors.rank("blocks.0.att.time_maa_w1") / 5;
    m.decay = tensors.rank("blocks.0.att.time_decay_w1");
    return m;
  }
};

const Registered<Rwkv6> registered_rwkv6;

}  // namespace
}  // namespace tool
