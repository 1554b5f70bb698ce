// Samba, by the fields of its authors' lit_config.json. There is no model of the reference library.
#include <optional>
#include <set>
#include <sstream>

#include <fauna/models/samba.hpp>
#include <tools/src/family.hpp>
#include <tools/src/hybrid_fields.hpp>

namespace tool {
namespace {

struct Samba {
  using config = fauna::SambaConfig;
  static constexpr const char *model_type = "samba", *causal = "SambaForCausalLM", *headless = "GPT";
  static std::vector<std::pair<const char*, config>> presets() {
    return {{"samba-shakespeare", fauna::SambaShakespeare::config},
            {"samba-421m", fauna::Samba421M::config},
            {"samba-1.3b", fauna::Samba1_3B::config}};
  }

  static config read(Config& c) {
    config m;
    m.layers = c.whole("n_layer", 16);
    m.heads = c.whole("n_head", 32);
    m.width = c.whole("n_embd", 4096);
    m.head_size = head_size(c, "n_head", m.heads, m.width);
    m.kv_heads = c.whole("n_query_groups", m.heads);
    if (m.heads % m.kv_heads != 0)
      c.wrong("n_query_groups", "a number that divides the " + std::to_string(m.heads) + " heads");
    m.hidden = c.whole("intermediate_size");
    m.context = c.whole("block_size", 4096);
    m.vocab = c.whole("vocab_size", 50254);
    const int multiple = c.whole("padding_multiple", 512);
    m.vocab = c.whole("padded_vocab_size", (m.vocab + multiple - 1) / multiple * multiple);
    m.epsilon = static_cast<float>(c.positive("norm_eps", 1e-5));
    m.turned = c.flag("nope", false) ? 0 : c.positive("rotary_percentage", 0.25);
    c.without_effect({"rotary_percentage"});
    if (const int columns = static_cast<int>(m.turned * m.head_size); m.turned > 1 || columns % 2 != 0)
      c.wrong("rotary_percentage", "a part of a head's columns that is even, for they turn in pairs");
    m.tied = c.flag("mamba_init", false);
    m.qkv_bias = m.out_bias = m.mlp_bias = c.flag("bias", true);
    m.mixers = kinds(c, m);
    // What its Mamba always is.
    m.inner = 2 * m.width;
    m.rank = (m.width + 15) / 16;
    only(c);
    return m;
  }

  static Config::Json write(config const& m) {
    writable(m,
             m.mlps == fauna::letters("d") && m.head_size * m.heads == m.width && m.base == 10000 &&
                 m.scaling.kind == fauna::rope_scaling::none && m.act == fauna::activation::silu,
             "an MLP of silu in each layer, heads as wide as the model, and plain positions of base 10000");
    writable(m,
             m.inner == 2 * m.width && m.rank == (m.width + 15) / 16 && m.states == 16 && m.taps == 4 && !m.mixer_bias,
             "Mamba with twice the width, 16 states, 4 taps, no bias, and a sixteenth of the width for step sizes");
    writable(m, m.qkv_bias == m.out_bias && m.qkv_bias == m.mlp_bias, "biases in all of attention and MLP, or in none");
    Config::Json j{{"model_type", model_type},
                   {"n_layer", m.layers},
                   {"n_head", m.heads},
                   {"n_query_groups", m.kv_heads},
                   {"n_embd", m.width},
                   {"intermediate_size", m.hidden},
                   {"block_size", m.context},
                   {"vocab_size", m.vocab},
                   {"padded_vocab_size", m.vocab},
                   {"norm_eps", shortest(m.epsilon)},
                   {"nope", m.turned == 0},
                   {"mamba_init", m.tied},
                   {"bias", m.qkv_bias},
                   {"parallel_residual", false},
                   {"_norm_class", "FusedRMSNorm"},
                   {"_mlp_class", "LLaMAMLP"},
                   {"local_window", m.window == fauna::unbounded ? -1 : m.window}};
    if (m.turned > 0) j["rotary_percentage"] = m.turned;
    write_kinds(m, j);
    return j;
  }

 private:
  static constexpr int never = 1000000;

  /// Refuses what this does not do, and passes over what is of other models of the same code.
  static void only(Config& c) {
    for (const char* field : {"parallel_residual", "shared_attention_norm", "mamba", "sc_attn"})
      if (c.flag(field, field == std::string("parallel_residual"))) c.wrong(field, "false, the only one implemented");
    c.only("mlp", true);
    for (const char* field : {"ret_per_layer", "gla_per_layer"}) c.only(field, -1);
    c.only("condense_ratio", 1);
    c.one_of<int>("_norm_class", {{"FusedRMSNorm", 0}, {"RMSNorm", 0}}, "LayerNorm");
    c.one_of<int>("_mlp_class", {{"LLaMAMLP", 0}}, "GptNeoxMLP");
    c.without_effect({"org", "name", "rms_norm", "residual_in_fp32", "fused_add_norm"});
  }

  /// Layers of Mamba: each so many-th, or all but those of attn_layer_pos. Of the others those without a window: the
  /// last of each so many layers, or all.
  static fauna::letters kinds(Config& c, config& m) {
    if (m.layers > 127) c.wrong("n_layer", "at most 127");
    const int window = or_none(c, "local_window"), mamba = or_none(c, "mb_per_layer");
    const int full = c.whole("full_per_layer", never);
    const auto attention = attention_layers(c, m.layers);
    if (window > 0) m.window = window;
    std::string all;
    for (int l = 0; l < m.layers; ++l)
      if (attention ? attention->count(l) == 0 : mamba > 0 && l % mamba == 0) all += 'm';
      else all += window == 0 || l % full == full - 1 ? 'a' : 'w';
    return shortest_round(all);
  }
  /// A number; 0 for the code's -1.
  static int or_none(Config& c, const char* field) {
    Config::Json const* j = c.find(field);
    return j == nullptr || *j == -1 ? 0 : c.whole(field);
  }
  /// attn_layer_pos: a Python list in a text.
  static std::optional<std::set<int>> attention_layers(Config& c, int layers) {
    if (!c.has("attn_layer_pos")) return {};
    std::string text = c.word("attn_layer_pos", "");
    for (char& x : text)
      if (x == ',' || x == '[' || x == ']') x = ' ';
    std::set<int> all;
    std::istringstream words(text);
    for (std::string word; words >> word;) {
      int l = -1;
      if (!fauna::number_text::parse(word, l) || l < 0 || l >= layers)
        c.wrong("attn_layer_pos", "a list of layers, 0 to below " + std::to_string(layers));
      all.insert(l);
    }
    return all;
  }
  static void write_kinds(config const& m, Config::Json& j) {
    const auto fits = [&](int full) {
      for (int l = 0; l < m.layers; ++l)
        if (const char k = m.mixers.of(l); k != 'm' && (k == 'a') != (l % full == full - 1)) return false;
      return true;
    };
    int full = 1;
    while (full <= m.layers && !fits(full)) ++full;
    if (full > m.layers) full = never;
    writable(m, fits(full), "attention without a window in the last of each so many layers, in all or in none");
    j["full_per_layer"] = full;
    std::string at;
    for (int l = 0; l < m.layers; ++l)
      if (m.mixers.of(l) != 'm') at += (at.empty() ? "" : ", ") + std::to_string(l);
    j["attn_layer_pos"] = '[' + at + ']';
  }
};

const Registered<Samba> registered_samba;

}  // namespace
}  // namespace tool
