// LFM2.
#include <fauna/models/lfm2.hpp>
#include <tools/src/family.hpp>
#include <tools/src/gguf_fields.hpp>
#include <tools/src/hybrid_fields.hpp>

namespace tool {
namespace {

struct Lfm2 {
  using config = fauna::Lfm2Config;
  static constexpr const char *model_type = "lfm2", *causal = "Lfm2ForCausalLM", *headless = "Lfm2Model";
  static constexpr Absent absent{
      .context = 128000, .epsilon = 1e-5, .base = 1000000, .tied = true, .epsilon_field = "norm_eps"};
  static std::vector<std::pair<const char*, config>> presets() {
    return {{"lfm2-shakespeare", fauna::Lfm2Shakespeare::config},
            {"lfm2-350m", fauna::Lfm2_350M::config},
            {"lfm2-700m", fauna::Lfm2_700M::config},
            {"lfm2-1.2b", fauna::Lfm2_1_2B::config}};
  }

  static config read(Config& c) {
    Absent a = absent;
    if (c.has("block_ff_dim")) a.hidden_field = "block_ff_dim";  // before intermediate_size, for the reference library
    config m = read_decoder<config>(c, a);
    c.without_effect({"intermediate_size"});
    m.hidden = adjusted(c, m.hidden);
    if (c.has("tie_embedding")) m.tied = c.flag("tie_embedding", true);
    m.mixers = kinds(c, m.layers);
    m.taps = c.whole("conv_L_cache", 3);
    m.conv_bias = c.flag("conv_bias", false);
    // What files say twice, of the trainer that made them.
    for (const char* width : {"block_dim", "conv_dim", "conv_dim_out"}) c.only(width, m.width);
    c.only("num_heads", m.heads);
    if (c.find("block_norm_eps") != nullptr && static_cast<float>(c.positive("block_norm_eps")) != m.epsilon)
      c.wrong("block_norm_eps", "the same as norm_eps");
    for (const char* field : {"block_use_swiglu", "use_pos_enc"}) c.only(field, true);
    c.without_effect({"block_mlp_init_scale", "block_out_init_scale", "block_use_xavier_init", "conv_use_xavier_init"});
    if (m.act != fauna::activation::silu) c.wrong("hidden_act", "silu, the only one that is implemented");
    return m;
  }

  static Config::Json write(config const& m) {
    writable(m, m.mlps == fauna::letters("d") && !m.qkv_bias && !m.out_bias && !m.mlp_bias,
             "an MLP in each layer, and no biases but those of convolutions");
    Config::Json j = decoder_json(m, model_type, causal, absent);
    j["block_auto_adjust_ff_dim"] = false;
    j["layer_types"] = kinds_json(m.mixers, m.layers, {{'c', "conv"}, {'a', "full_attention"}});
    j["conv_L_cache"] = m.taps;
    j["conv_bias"] = m.conv_bias;
    return j;
  }

  static constexpr const char* gguf_name = "lfm2";
  template <class Io> static void gguf(Io& io) {
    io.layers(&config::layers);
    gguf_hybrid(io, &config::mixers, 'c');
    gguf_rotary(io, io.get().head_size);
    io.whole("shortconv.l_cache", &config::taps);
    io.implied(&config::conv_bias, false);
  }

 private:
  /// Columns inside the MLP: two thirds, times a factor, rounded up to a multiple, where the file wants that.
  static int adjusted(Config& c, int columns) {
    const bool adjusts = c.flag("block_auto_adjust_ff_dim", true);
    const double factor = c.positive("block_ffn_dim_multiplier", 1);
    const int multiple = c.whole("block_multiple_of", 256);
    if (!adjusts) return columns;
    const int part = static_cast<int>(2.0 * columns / 3);
    if (c.says("block_ffn_dim_multiplier") && !c.has("block_ffn_dim_multiplier")) return part;
    return (static_cast<int>(factor * part) + multiple - 1) / multiple * multiple;
  }
  /// Of layer_types, or of the places of those with attention: without either all have it.
  static fauna::letters kinds(Config& c, int layers) {
    Config::Json const* places = c.find("full_attn_idxs");
    std::string all(static_cast<std::size_t>(layers), places == nullptr ? 'a' : 'c');
    if (places != nullptr) {
      const std::string what = "a list of numbers from 0 to below " + std::to_string(layers);
      if (!places->is_array()) c.wrong("full_attn_idxs", what);
      for (Config::Json const& i : *places) {
        if (!i.is_number_integer() || i < 0 || i >= layers) c.wrong("full_attn_idxs", what);
        all[i.get<std::size_t>()] = 'a';
      }
    }
    if (!c.has("layer_types")) return shortest_round(all);
    const auto typed = layer_kinds(c, "layer_types", layers, {{"conv", 'c'}, {"full_attention", 'a'}});
    if (places != nullptr && !(typed == shortest_round(all)))
      c.wrong("full_attn_idxs", "the layers that layer_types calls full_attention");
    return typed;
  }
};

const Registered<Lfm2> registered_lfm2;

}  // namespace
}  // namespace tool
