// What the fields of a config.json mean in more than one family: activations, rotary positions, heads.
#pragma once
#include <cmath>

#include <fauna/core/activation.hpp>
#include <fauna/core/number_text.hpp>
#include <fauna/ops/rope/op.hpp>
#include <tools/src/config.hpp>
#include <tools/src/shortest.hpp>

namespace tool {

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

/// Rotary positions, as transformers 5 (rope_parameters) and 4 (rope_scaling and fields beside it) write them.
struct Rope {
  double base = 10000, fraction = 1;  ///< fraction: the part of each head that is turned
  fauna::RopeScaling scaling{};
  std::string inside{};  ///< the object that has all this, if there is one
};

/// What families have of rotary positions where the file does not say, and what they can be checked against.
struct RopeUsual {
  double fraction = 1;
  int context = 0;
  double base = 10000;
  int original = 0;   ///< the context of the first training; 0: `context`
  int head_size = 0;  ///< 0: of a family without factors for each pair of columns
};

/// The magnitude that a YaRN of DeepSeek's kind has: the two in one (DeepSeek-AI 2024, "DeepSeek-V2", section 3.1.4).
inline double yarn_attention(double factor, double mscale, double of_all) {
  const auto magnitude = [&](double m) { return factor <= 1 ? 1 : 0.1 * m * std::log(factor) + 1; };
  return magnitude(mscale) / magnitude(of_all);
}

/// A divisor for each pair of columns.
inline void read_factors(Config& in, std::string const& field, float (&factors)[64]) {
  Config::Json const* list = in.find(field);
  if (list == nullptr || !list->is_array() || list->empty() || list->size() > 64)
    in.wrong(field, "a list of 1 to 64 numbers above 0");
  std::size_t i = 0;
  for (Config::Json const& x : *list) {
    if (!x.is_number() || !(x.get<float>() > 0)) in.wrong(field, "a list of 1 to 64 numbers above 0");
    factors[i++] = x.get<float>();
  }
}

/// The scaling of a rope_parameters or rope_scaling, in a config.json `c`.
inline fauna::RopeScaling scaling_of(Config& in, Config& c, RopeUsual const& usual) {
  using kinds = fauna::rope_scaling;
  std::map<std::string, kinds> known{
      {"default", kinds::none}, {"linear", kinds::linear}, {"llama3", kinds::llama3}, {"yarn", kinds::yarn}};
  if (usual.head_size > 0) known.insert({{"longrope", kinds::longrope}, {"su", kinds::longrope}});
  const bool new_name = in.has("rope_type");
  fauna::RopeScaling r{.kind = in.one_of(new_name ? "rope_type" : "type", known, "default")};
  if (new_name && in.one_of("type", known, in.word("rope_type", "")) != r.kind)
    in.wrong("type", "the same as rope_type");
  if (r.kind == kinds::linear || r.kind == kinds::llama3) r.factor = in.positive("factor");
  if (r.kind == kinds::llama3) {
    r.low = in.positive("low_freq_factor");
    r.high = in.positive("high_freq_factor");
    r.original = in.whole("original_max_position_embeddings", usual.context);
  }
  if (r.kind != kinds::yarn && r.kind != kinds::longrope) return r;
  constexpr const char* original = "original_max_position_embeddings";
  r.original = c.whole(original, usual.original > 0 ? usual.original : in.whole(original, usual.context));
  if (in.whole(original, r.original) != r.original) in.wrong(original, std::to_string(r.original) + ", as outside");
  r.factor = in.positive("factor", static_cast<double>(usual.context) / r.original);
  if (in.has("attention_factor")) r.attention = in.positive("attention_factor");
  if (r.kind == kinds::longrope) {
    read_factors(in, "long_factor", r.factors);
    read_factors(in, "short_factor", r.short_factors);
    return r;
  }
  r.low = in.positive("beta_slow", 1);
  r.high = in.positive("beta_fast", 32);
  r.truncate = in.flag("truncate", true);
  in.without_effect({"mscale", "mscale_all_dim"});  // but for both together, and without attention_factor
  if (r.attention == 0 && in.has("mscale") && in.has("mscale_all_dim"))
    r.attention = yarn_attention(r.factor, in.positive("mscale"), in.positive("mscale_all_dim"));
  return r;
}

inline Rope rope_of(Config& c, RopeUsual const& usual) {
  Agreed base, part;
  for (const char* field : {"rope_theta", "rotary_emb_base"}) base.add(c, field);
  for (const char* field : {"partial_rotary_factor", "rotary_pct"}) part.add(c, field);
  if (c.has("rope_parameters") && c.has("rope_scaling")) c.wrong("rope_scaling", "nothing, beside rope_parameters");
  Rope r;
  for (const char* field : {"rope_parameters", "rope_scaling"}) {
    auto in = c.inner(field);
    if (in && in->has("full_attention")) in = in->inner("full_attention");  // by kinds of layers: a family reads others
    if (!in) continue;
    base.add(*in, "rope_theta");
    part.add(*in, "partial_rotary_factor");
    r.scaling = scaling_of(*in, c, usual);
    r.inside = field;
    // Of what has places in pictures: in a text all sections of a head turn alike.
    in->without_effect({"mrope_section", "mrope_interleaved"});
    in->all_used("its rope_type");
  }
  r.base = base.or_else(usual.base);
  r.fraction = part.or_else(usual.fraction);
  const int pairs = static_cast<int>(r.fraction * usual.head_size) / 2;
  const auto fits = [pairs](float const(&f)[64]) {
    for (int i = 0; i < 64; ++i)
      if ((f[i] > 0) != (i < pairs)) return false;
    return true;
  };
  if (r.scaling.kind == fauna::rope_scaling::longrope && !(fits(r.scaling.factors) && fits(r.scaling.short_factors)))
    c.wrong(r.inside, "a long_factor and a short_factor of " + std::to_string(pairs) + " numbers, one for each pair");
  return r;
}

/// The base alone, of a family without scaling and parts of heads.
inline double plain_rope_base(Config& c, int context) {
  const Rope rope = rope_of(c, {.context = context});
  if (rope.scaling.kind != fauna::rope_scaling::none)
    c.wrong(rope.inside, "rope_type default, the only one that is implemented for this family");
  if (rope.fraction != 1) c.wrong("partial_rotary_factor", "1, the only one that is implemented for this family");
  return rope.base;
}

/// A head's columns, where heads share the width.
inline int head_size(Config const& c, const char* heads_field, int heads, int width) {
  if (width % heads != 0) c.wrong(heads_field, "a number that divides the width of " + std::to_string(width));
  return width / heads;
}

}  // namespace tool
