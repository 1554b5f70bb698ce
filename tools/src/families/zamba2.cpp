// Zamba2.
#include <fauna/models/zamba2.hpp>
#include <tools/src/family.hpp>
#include <tools/src/hybrid_fields.hpp>

namespace tool {
namespace {

struct Zamba2 {
  using config = fauna::Zamba2Config;
  static constexpr const char *model_type = "zamba2", *causal = "Zamba2ForCausalLM", *headless = "Zamba2Model";
  static constexpr Absent absent{.context = 4096};
  static std::vector<std::pair<const char*, config>> presets() {
    return {{"zamba2-shakespeare", fauna::Zamba2Shakespeare::config}, {"zamba2-1.2b", fauna::Zamba2_1_2B::config}};
  }

  static config read(Config& c) {
    config m;
    m.layers = c.whole("num_hidden_layers");
    m.width = c.whole("hidden_size");
    m.heads = m.kv_heads = c.whole("num_attention_heads", 32);
    c.only("num_key_value_heads", m.heads);
    m.head_size = head_size(c, "num_attention_heads", m.heads, 2 * m.width);
    for (const char* field : {"attention_head_dim", "attention_hidden_size", "kv_channels", "num_query_groups"})
      c.without_effect({field});  // the reference library computes them of the others
    m.hidden = c.whole("intermediate_size", 4 * m.width);
    m.context = c.whole("max_position_embeddings", absent.context);
    m.vocab = c.whole("vocab_size");
    m.tied = c.flag("tie_word_embeddings", true);
    m.epsilon = static_cast<float>(c.positive("rms_norm_eps", 1e-5));
    m.act = c.one_of("hidden_act", activations(), "gelu");
    m.positions = c.flag("use_mem_rope", false);
    m.base = plain_rope_base(c, m.context);
    c.only("use_long_context", false);
    c.only("add_bias_linear", false);

    m.ssm_heads = c.whole("n_mamba_heads", 8);
    const int inner = c.whole("mamba_expand", 2) * m.width;
    m.ssm_size = head_size(c, "n_mamba_heads", m.ssm_heads, inner);
    c.only("mamba_headdim", m.ssm_size);
    m.states = c.whole("mamba_d_state", 64);
    m.groups = c.whole("mamba_ngroups", 1);
    if (m.ssm_heads % m.groups != 0)
      c.wrong("mamba_ngroups", "a number that divides the " + std::to_string(m.ssm_heads) + " heads");
    m.taps = c.whole("mamba_d_conv", 4);
    c.only("use_conv_bias", true);

    m.blocks = c.whole("num_mem_blocks", 1);
    m.adapter_rank = c.whole("adapter_rank", 128);
    m.attention_adapters = c.flag("use_shared_attention_adapter", false);
    m.mlps = "-";
    read_layers(c, m);
    // Of how the reference library computes, and of the start of a training; models/zamba2.hpp says what it makes of
    // time_step_min.
    c.without_effect({"time_step_min", "time_step_max", "time_step_floor", "time_step_limit", "chunk_size",
                      "use_mem_eff_path", "use_mamba_kernels", "num_logits_to_keep"});
    return m;
  }

  static Config::Json write(config const& m) {
    const auto text = fauna::to_text(m);
    if (m.head_size * m.heads != 2 * m.width || m.kv_heads != m.heads || m.ssm_heads * m.ssm_size % m.width != 0)
      fauna::fail("fauna", text, "heads that together are twice as wide as the model, and no groups of keys",
                  "the reference library has no field for others in this family");
    Config::Json j{{"model_type", model_type},
                   {"architectures", {causal}},
                   {"num_hidden_layers", m.layers},
                   {"hidden_size", m.width},
                   {"num_attention_heads", m.heads},
                   {"intermediate_size", m.hidden},
                   {"max_position_embeddings", m.context},
                   {"vocab_size", m.vocab},
                   {"tie_word_embeddings", m.tied},
                   {"rms_norm_eps", shortest(m.epsilon)},
                   {"hidden_act", reference_name(m.act)},
                   {"use_mem_rope", m.positions},
                   {"rope_theta", m.base},
                   {"n_mamba_heads", m.ssm_heads},
                   {"mamba_expand", m.ssm_heads * m.ssm_size / m.width},
                   {"mamba_d_state", m.states},
                   {"mamba_ngroups", m.groups},
                   {"mamba_d_conv", m.taps},
                   {"num_mem_blocks", m.blocks},
                   {"adapter_rank", m.adapter_rank},
                   {"use_shared_attention_adapter", m.attention_adapters}};
    int use = 0;
    for (int l = 0; l < m.layers; ++l) {
      const char letter = m.mixers.of(l);
      if (letter != 'm' && letter != 'A' + use++ % m.blocks)
        fauna::fail("fauna", text, "shared blocks that take turns",
                    "the reference library has no field for another order");
      j["layers_block_type"].push_back(letter == 'm' ? "mamba" : "hybrid");
    }
    return j;
  }

 private:
  /// Which layers have a block before the mixer; the blocks take turns.
  static void read_layers(Config& c, config& m) {
    const char* field = c.has("layer_types") ? "layer_types" : "layers_block_type";
    const auto kinds = layer_kinds(c, field, m.layers, {{"mamba", 'm'}, {"linear_attention", 'm'}, {"hybrid", 'A'}});
    std::string all;
    Config::Json ids = Config::Json::array();
    for (int l = 0; l < m.layers; ++l) {
      const bool hybrid = kinds.of(l) == 'A';
      all += hybrid ? static_cast<char>('A' + static_cast<int>(ids.size()) % m.blocks) : 'm';
      if (hybrid) ids.push_back(l);
    }
    if (static_cast<int>(ids.size()) < m.blocks || m.blocks > 9)
      c.wrong("num_mem_blocks", "at most 9, and at most the " + std::to_string(ids.size()) + " hybrid layers");
    c.only("hybrid_layer_ids", ids);
    m.mixers = shortest_round(all);
  }
};

const Registered<Zamba2> registered_zamba2;

}  // namespace
}  // namespace tool
