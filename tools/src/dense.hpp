// What config.json says alike in the families that came after Llama: sizes, rotary positions, layers with a window.
#pragma once
#include <cmath>

#include <fauna/models/config_text.hpp>
#include <fauna/models/decoder.hpp>
#include <tools/src/fields.hpp>

namespace tool {

/// What stands for a field that a file lacks, and what fields are called.
struct Absent {
  int context = 2048;
  int hidden = 0;  ///< 0: a file has it
  double epsilon = 1e-5;
  double turned = 1, base = 10000;
  int original = 0;  ///< the context of the first training; 0: `context`
  bool tied = false;
  int window = fauna::unbounded;  ///< of layers that have one
  bool uses_window = true;
  const char* act = "silu";
  const char *epsilon_field = "rms_norm_eps", *act_field = "hidden_act", *hidden_field = "intermediate_size";
};

/// Layers, heads, widths, context, vocabulary, the norms' ε and whether the head is tied, of any config that has them.
template <class C> void read_sizes(Config& c, C& m, Absent const& a) {
  m.layers = c.whole("num_hidden_layers");
  m.heads = c.whole("num_attention_heads");
  m.kv_heads = c.whole("num_key_value_heads", m.heads);
  if (m.heads % m.kv_heads != 0)
    c.wrong("num_key_value_heads", "a number that divides the " + std::to_string(m.heads) + " heads");
  m.width = c.whole("hidden_size");
  const int size = c.has("head_dim") ? c.whole("head_dim") : head_size(c, "num_attention_heads", m.heads, m.width);
  if (size % 2 != 0) c.wrong("head_dim", "an even number: columns turn in pairs");
  if constexpr (requires { m.head_size; }) m.head_size = size;
  else if (size * m.heads != m.width) c.wrong("head_dim", "the part of the width that a head has");
  m.hidden = c.whole(a.hidden_field, a.hidden);
  m.context = c.whole("max_position_embeddings", a.context);
  m.vocab = c.whole("vocab_size");
  m.tied = c.flag("tie_word_embeddings", a.tied);
  m.epsilon = static_cast<float>(c.positive(a.epsilon_field, a.epsilon));
}

/// The same as a config.json.
template <class C> Config::Json sizes_json(C const& m, const char* type, const char* causal, Absent const& a = {}) {
  Config::Json j{{"model_type", type},
                 {"architectures", {causal}},
                 {"num_hidden_layers", m.layers},
                 {"num_attention_heads", m.heads},
                 {"num_key_value_heads", m.kv_heads},
                 {"hidden_size", m.width},
                 {"intermediate_size", m.hidden},
                 {"max_position_embeddings", m.context},
                 {"vocab_size", m.vocab},
                 {"tie_word_embeddings", m.tied},
                 {"rope_theta", m.base},
                 {a.epsilon_field, shortest(m.epsilon)}};
  if constexpr (requires { m.head_size; }) j["head_dim"] = m.head_size;
  return j;
}

/// The object rope_scaling; null without one.
inline Config::Json scaling_json(fauna::RopeScaling const& s) {
  if (s.kind == fauna::rope_scaling::none) return nullptr;
  using kinds = fauna::rope_scaling;
  Config::Json j{{"rope_type", fauna::name_of(s.kind)}, {"factor", s.factor}};
  if (s.kind == kinds::yarn || s.kind == kinds::longrope) {
    j["original_max_position_embeddings"] = s.original;
    if (s.attention > 0) j["attention_factor"] = s.attention;
  }
  if (s.kind == kinds::yarn) {
    j["beta_slow"] = s.low;
    j["beta_fast"] = s.high;
    j["truncate"] = s.truncate;
  }
  if (s.kind == kinds::longrope)
    for (int i = 0; i < 64 && s.factors[i] > 0; ++i) {
      j["long_factor"].push_back(shortest(s.factors[i]));
      j["short_factor"].push_back(shortest(s.short_factors[i]));
    }
  if (s.kind == fauna::rope_scaling::llama3) {
    j["low_freq_factor"] = s.low;
    j["high_freq_factor"] = s.high;
    j["original_max_position_embeddings"] = s.original;
  }
  return j;
}

/// Sizes, positions and activation of a decoder.
template <class C> C read_decoder(Config& c, Absent const& a) {
  C m;
  read_sizes(c, m, a);
  const Rope rope = rope_of(
      c,
      {.fraction = a.turned, .context = m.context, .base = a.base, .original = a.original, .head_size = m.head_size});
  m.base = rope.base;
  m.scaling = rope.scaling;
  m.turned = rope.fraction;
  if (const int columns = static_cast<int>(m.turned * m.head_size); m.turned > 1 || columns < 2 || columns % 2 != 0)
    c.wrong(c.has("partial_rotary_factor") ? "partial_rotary_factor" : rope.inside,
            "a part of the " + std::to_string(m.head_size) + " columns of a head that is even, for they turn in pairs");
  m.act = c.one_of(a.act_field, activations(), a.act);
  return m;
}

template <class C> Config::Json decoder_json(C const& m, const char* type, const char* causal, Absent const& a) {
  Config::Json j = sizes_json(m, type, causal, a);
  j["rope_scaling"] = scaling_json(m.scaling);
  if (m.turned != 1 || a.turned != 1) j["partial_rotary_factor"] = m.turned;
  j[a.act_field] = reference_name(m.act);
  return j;
}

/// x, without what rounding left beside a whole number.
inline double whole_if_close(double x) { return std::abs(x - std::round(x)) < 1e-9 ? std::round(x) : x; }

/// attention_bias of families that say one thing of all four projections.
template <class C> bool both_biases(C const& m) {
  if (m.qkv_bias != m.out_bias)
    fauna::fail("fauna", fauna::to_text(m), "biases in all projections of attention, or in none",
                "the reference library has no field to tell them apart in this family");
  return m.qkv_bias;
}

/// Granite's constants: of embeddings, scores, what layers add, and logits.
template <class C> void read_multipliers(Config& c, C& m) {
  m.embedding_scale = c.positive("embedding_multiplier", 1);
  m.score_scale = c.positive("attention_multiplier", 1);
  m.residual_scale = c.positive("residual_multiplier", 1);
  m.logit_scale = 1 / c.positive("logits_scaling", 1);
}
template <class C> void multipliers_json(C const& m, Config::Json& j) {
  j["embedding_multiplier"] = m.embedding_scale;
  j["attention_multiplier"] = m.score_scale;
  j["residual_multiplier"] = m.residual_scale;
  j["logits_scaling"] = whole_if_close(1 / m.logit_scale);
}

/// Which layers have full attention, the last of each so many: of a list that has `full` there and `other` elsewhere.
inline int every(Config& c, std::string const& field, int layers, Config::Json const& full, Config::Json const& other) {
  Config::Json const* list = c.find(field);
  int period = fauna::unbounded;
  if (!list->is_array() || list->size() != static_cast<std::size_t>(layers))
    c.wrong(field, "a list of " + std::to_string(layers));
  for (int i = 0; i < layers; ++i) {
    Config::Json const& is = (*list)[static_cast<std::size_t>(i)];
    if (period == fauna::unbounded && is == full) period = i + 1;
    const bool last = period != fauna::unbounded && (i + 1) % period == 0;
    if (is != (last ? full : other))
      c.wrong(field, full.dump() + " for the last of each so many layers, " + other.dump() + " for the others");
  }
  return period;
}

/// The rotary base of layers with a window, where a family has one of its own.
inline double window_rope_base(Config& c, double usual) {
  Agreed base;
  base.add(c, "rope_local_base_freq");
  if (auto ropes = c.inner("rope_parameters"))
    if (auto in = ropes->inner("sliding_attention")) {
      base.add(*in, "rope_theta");
      in->only("rope_type", "default");
      in->all_used("the rotary positions of layers with a window");
    }
  return base.or_else(usual);
}

/// A bound of scores or of logits. Null: none; absent: `usual`.
inline float cap_of(Config& c, std::string const& field, float usual) {
  if (!c.says(field)) return usual;
  return c.find(field) == nullptr ? 0 : static_cast<float>(c.positive(field));
}

/// Layers with a window, of `usual` layers all but the last where the file does not say which.
template <class C> void read_window(Config& c, C& m, int usual, Absent const& a) {
  for (const char* field : {"sliding_window_pattern", "_sliding_window_pattern"})
    if (Config::Json const* p = c.find(field)) {
      if (p->is_number_integer() && *p > 0) usual = p->get<int>();
      else if (!(p->is_string() && *p == "LLLG" && usual == 4)) c.wrong(field, "the number of layers in a round");
    }
  const int window = !c.says("sliding_window") ? a.window
                     : c.has("sliding_window") ? c.whole("sliding_window")
                                               : fauna::unbounded;
  const bool used = c.flag("use_sliding_window", a.uses_window) && window != fauna::unbounded;
  c.without_effect({"sliding_window", "max_window_layers"});
  m.full_every =
      c.has("layer_types") ? every(c, "layer_types", m.layers, "full_attention", "sliding_attention") : usual;
  if (used) m.window = window;
  else if (c.has("layer_types") && m.full_every != 1)
    c.wrong("layer_types", "full_attention throughout, without a sliding_window");
  else m.full_every = C::style::bare_full ? fauna::unbounded : 1;  // without windows all layers are alike
}
template <class C> void window_json(C const& m, Config::Json& j) {
  j["sliding_window"] = nullptr;
  if (m.window == fauna::unbounded) return;
  j["sliding_window"] = m.window;
  j["layer_types"] = Config::Json::array();
  for (int i = 0; i < m.layers; ++i)
    j["layer_types"].push_back((i + 1) % m.full_every == 0 ? "full_attention" : "sliding_attention");
}

}  // namespace tool
