// What the fields of a config.json mean in more than one family: activations, rotary positions, heads.
#pragma once
#include <fauna/core/activation.hpp>
#include <fauna/core/number_text.hpp>
#include <fauna/ops/rope/op.hpp>
#include <tools/src/config.hpp>

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

/// `fraction`, `usual_base`: the family's own, where the file does not say.
inline Rope rope_of(Config& c, double fraction, int context, double usual_base = 10000) {
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
    r.scaling = scaling_of(*in, context);
    r.inside = field;
    in->all_used("its rope_type");
  }
  r.base = base.or_else(usual_base);
  r.fraction = part.or_else(fraction);
  return r;
}

/// The base alone, of a family without scaling and parts of heads.
inline double plain_rope_base(Config& c, int context) {
  const Rope rope = rope_of(c, 1, context);
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
