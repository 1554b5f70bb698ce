// Configs of every family from a config.json, and a config.json from them: two functions a family, and one entry in the
// list of read_config (directory.hpp) and in AnyConfig.
#pragma once
#include <cmath>
#include <variant>

#include <fauna/models/config_text.hpp>
#include <fauna/models/gpt.hpp>
#include <fauna/models/gpt_neox.hpp>
#include <fauna/models/llama.hpp>
#include <tools/src/config.hpp>

namespace tool {

/// A config of any family.
using AnyConfig = std::variant<fauna::GptConfig, fauna::LlamaConfig, fauna::GptNeoXConfig>;

/// The model of a checkpoint, out of the line of text in which it says what it holds.
template <std::size_t I = 0> AnyConfig checkpoint_config(std::string const& path, std::string const& line) {
  if (line.empty())
    fauna::fail("fauna", path + " does not say which model it holds", "one made by fauna train",
                "CheckpointHead::config is for fauna::to_text of its config");
  using C = std::variant_alternative_t<I, AnyConfig>;
  if constexpr (I + 1 < std::variant_size_v<AnyConfig>)
    if (line.substr(0, line.find(' ')) != C::names.family) return checkpoint_config<I + 1>(path, line);
  return fauna::config_from<C>(line);
}

inline std::map<std::string, fauna::activation> const& activations() {
  using fauna::activation;
  static const std::map<std::string, activation> all{
      {"gelu", activation::gelu},          {"gelu_fast", activation::gelu_tanh},
      {"gelu_new", activation::gelu_tanh}, {"gelu_pytorch_tanh", activation::gelu_tanh},
      {"relu", activation::relu},          {"relu2", activation::relu_squared},
      {"silu", activation::silu},          {"swish", activation::silu}};
  return all;
}

/// The name of an activation in the reference's list.
inline std::string reference_name(fauna::activation a) {
  using fauna::activation;
  static const std::map<activation, std::string> all{{activation::gelu, "gelu"},
                                                     {activation::gelu_tanh, "gelu_new"},
                                                     {activation::silu, "silu"},
                                                     {activation::relu, "relu"},
                                                     {activation::relu_squared, "relu2"}};
  return all.at(a);
}
/// A float as the double of its shortest text: 0.1, not 0.10000000149.
inline double shortest(float v) {
  double d = 0;
  fauna::number_text::parse(fauna::number_text::of(v), d);
  return d;
}

/// Rotary positions, as transformers 5 (rope_parameters) and 4 (rope_scaling and fields beside it) write them.
struct Rope {
  double base = 10000, fraction = 1;  ///< fraction: the part of each head that is turned
  fauna::RopeScaling scaling{};
  std::string inside{};  ///< the object that has all this, if there is one
};

/// The scaling of a rope_parameters or rope_scaling.
inline fauna::RopeScaling scaling_of(Config& in, int context) {
  using kinds = fauna::rope_scaling;
  const std::map<std::string, kinds> known{
      {"default", kinds::none}, {"linear", kinds::linear}, {"llama3", kinds::llama3}};
  const bool new_name = in.has("rope_type");
  fauna::RopeScaling r{.kind = in.one_of(new_name ? "rope_type" : "type", known, "default")};
  if (new_name && in.one_of("type", known, in.word("rope_type", "")) != r.kind)
    in.wrong("type", "the same as rope_type");
  if (r.kind != kinds::none) r.factor = in.positive("factor");
  if (r.kind == kinds::llama3) {
    r.low = in.positive("low_freq_factor");
    r.high = in.positive("high_freq_factor");
    r.original = in.whole("original_max_position_embeddings", context);
  }
  return r;
}

/// `fraction`: the family's own, where the file does not say.
inline Rope rope_of(Config& c, double fraction, int context) {
  Agreed base, part;
  for (const char* field : {"rope_theta", "rotary_emb_base"}) base.add(c, field);
  for (const char* field : {"partial_rotary_factor", "rotary_pct"}) part.add(c, field);
  if (c.has("rope_parameters") && c.has("rope_scaling")) c.wrong("rope_scaling", "nothing, beside rope_parameters");
  Rope r;
  for (const char* field : {"rope_parameters", "rope_scaling"}) {
    auto in = c.inner(field);
    if (!in) continue;
    base.add(*in, "rope_theta");
    part.add(*in, "partial_rotary_factor");
    r.scaling = scaling_of(*in, context);
    r.inside = field;
    in->all_used("its rope_type");
  }
  r.base = base.or_else(r.base);
  r.fraction = part.or_else(fraction);
  return r;
}

/// A head's columns, where heads share the width.
inline int head_size(Config const& c, const char* heads_field, int heads, int width) {
  if (width % heads != 0) c.wrong(heads_field, "a number that divides the width of " + std::to_string(width));
  return width / heads;
}

inline AnyConfig gpt2(Config& c) {
  fauna::GptConfig g{.layers = c.whole("n_layer"), .heads = c.whole("n_head"), .width = c.whole("n_embd")};
  head_size(c, "n_head", g.heads, g.width);
  g.context = c.whole("n_positions");
  g.vocab = c.whole("vocab_size");
  auto known = activations();
  for (const char* none : {"relu", "relu2", "silu", "swish"}) known.erase(none);
  g.act = c.one_of("activation_function", known, "gelu_new");
  c.only("n_inner", 4L * g.width);
  c.only("layer_norm_epsilon", 1e-5);
  c.only("scale_attn_weights", true);
  c.only("scale_attn_by_inverse_layer_idx", false);
  c.only("reorder_and_upcast_attn", false);
  c.only("tie_word_embeddings", true);
  g.dropout = c.share("resid_pdrop", 0);
  bool one = true;
  for (const char* other : {"embd_pdrop", "attn_pdrop"}) {
    const bool same = c.share(other, g.dropout) == g.dropout;
    if (!same && c.use().training) c.wrong(other, "the same as resid_pdrop: a model has one dropout here");
    one = one && same;
  }
  if (!one) g.dropout = 0;  // inference has none
  c.without_effect({"n_ctx", "summary_type", "summary_use_proj", "summary_activation", "summary_proj_to_labels",
                    "summary_first_dropout", "predict_special_tokens"});
  return g;
}

/// The config.json of a model that was trained here: what its family has, in the fields that every version of the
/// reference reads.
inline Config::Json reference_config(fauna::GptConfig const& c) {
  const Config::Json dropout = shortest(c.dropout);
  return {{"model_type", "gpt2"},       {"architectures", {"GPT2LMHeadModel"}},
          {"n_layer", c.layers},        {"n_head", c.heads},
          {"n_embd", c.width},          {"n_positions", c.context},
          {"vocab_size", c.vocab},      {"activation_function", reference_name(c.act)},
          {"layer_norm_epsilon", 1e-5}, {"tie_word_embeddings", true},
          {"resid_pdrop", dropout},     {"embd_pdrop", dropout},
          {"attn_pdrop", dropout}};
}

inline AnyConfig llama(Config& c) {
  fauna::LlamaConfig l{.layers = c.whole("num_hidden_layers"), .heads = c.whole("num_attention_heads")};
  l.kv_heads = c.whole("num_key_value_heads", l.heads);
  l.width = c.whole("hidden_size");
  l.hidden = c.whole("intermediate_size");
  l.context = c.whole("max_position_embeddings", 2048);
  l.vocab = c.whole("vocab_size");
  if (l.heads % l.kv_heads != 0)
    c.wrong("num_key_value_heads", "a number that divides the " + std::to_string(l.heads) + " heads");
  l.head_size = c.has("head_dim") ? c.whole("head_dim") : head_size(c, "num_attention_heads", l.heads, l.width);
  if (l.head_size % 2 != 0) c.wrong("head_dim", "an even number: columns turn in pairs");
  const Rope rope = rope_of(c, 1, l.context);
  if (rope.fraction != 1)
    c.wrong(c.has("partial_rotary_factor") ? "partial_rotary_factor" : rope.inside,
            "a partial_rotary_factor of 1, the only one that is implemented for llama");
  l.base = rope.base;
  l.scaling = rope.scaling;
  l.tied = c.flag("tie_word_embeddings", false);
  l.epsilon = static_cast<float>(c.positive("rms_norm_eps", 1e-6));
  l.attention_bias = c.flag("attention_bias", false);
  l.mlp_bias = c.flag("mlp_bias", false);
  l.act = c.one_of("hidden_act", activations(), "silu");
  c.only("rope_interleaved", false);
  c.without_effect({"is_llama_config", "pretraining_tp"});  // the latter: into how many pieces products were cut
  return l;
}

inline Config::Json reference_config(fauna::LlamaConfig const& c) {
  Config::Json scaling;  // null without one
  if (c.scaling.kind != fauna::rope_scaling::none)
    scaling = {{"rope_type", fauna::name_of(c.scaling.kind)}, {"factor", c.scaling.factor}};
  if (c.scaling.kind == fauna::rope_scaling::llama3) {
    scaling["low_freq_factor"] = c.scaling.low;
    scaling["high_freq_factor"] = c.scaling.high;
    scaling["original_max_position_embeddings"] = c.scaling.original;
  }
  return {{"model_type", "llama"},
          {"architectures", {"LlamaForCausalLM"}},
          {"num_hidden_layers", c.layers},
          {"num_attention_heads", c.heads},
          {"num_key_value_heads", c.kv_heads},
          {"head_dim", c.head_size},
          {"hidden_size", c.width},
          {"intermediate_size", c.hidden},
          {"max_position_embeddings", c.context},
          {"vocab_size", c.vocab},
          {"rope_theta", c.base},
          {"rope_scaling", scaling},
          {"tie_word_embeddings", c.tied},
          {"rms_norm_eps", shortest(c.epsilon)},
          {"attention_bias", c.attention_bias},
          {"mlp_bias", c.mlp_bias},
          {"hidden_act", reference_name(c.act)}};
}

inline AnyConfig gpt_neox(Config& c) {
  fauna::GptNeoXConfig g{.layers = c.whole("num_hidden_layers"), .heads = c.whole("num_attention_heads")};
  g.width = c.whole("hidden_size");
  g.hidden = c.whole("intermediate_size");
  g.context = c.whole("max_position_embeddings", 2048);
  g.vocab = c.whole("vocab_size");
  const int size = head_size(c, "num_attention_heads", g.heads, g.width);
  const Rope rope = rope_of(c, 0.25, g.context);
  if (rope.scaling.kind != fauna::rope_scaling::none)
    c.wrong(rope.inside, "rope_type default, the only one that is implemented for gpt_neox");
  const double turned = rope.fraction * size;
  g.rotary = turned <= size ? static_cast<int>(turned) : size + 1;
  if (g.rotary < 2 || g.rotary > size || g.rotary % 2 != 0)
    c.wrong(rope.inside.empty() ? "rotary_pct" : rope.inside,
            "a part of the " + std::to_string(size) +
                " columns of a head that is even, for they turn in pairs; it is " + std::to_string(g.rotary));
  g.base = rope.base;
  g.epsilon = static_cast<float>(c.positive("layer_norm_eps", 1e-5));
  g.parallel = c.flag("use_parallel_residual", true);
  g.tied = c.flag("tie_word_embeddings", false);
  g.act = c.one_of("hidden_act", activations(), "gelu");
  c.only("attention_bias", true);
  return g;
}

inline Config::Json reference_config(fauna::GptNeoXConfig const& c) {
  const int size = c.width / c.heads;
  if (c.width % c.heads != 0 || c.rotary > size)
    fauna::fail("fauna", fauna::to_text(c), "heads that divide the width, and no more rotary columns than a head has");
  double part = static_cast<double>(c.rotary) / size;  // readers take the whole columns of this part of a head
  while (static_cast<int>(part * size) < c.rotary) part = std::nextafter(part, 2.0);
  return {{"model_type", "gpt_neox"},
          {"architectures", {"GPTNeoXForCausalLM"}},
          {"num_hidden_layers", c.layers},
          {"num_attention_heads", c.heads},
          {"hidden_size", c.width},
          {"intermediate_size", c.hidden},
          {"max_position_embeddings", c.context},
          {"vocab_size", c.vocab},
          {"rotary_emb_base", c.base},
          {"rotary_pct", part},
          {"layer_norm_eps", shortest(c.epsilon)},
          {"use_parallel_residual", c.parallel},
          {"tie_word_embeddings", c.tied},
          {"attention_bias", true},
          {"hidden_act", reference_name(c.act)}};
}

}  // namespace tool
