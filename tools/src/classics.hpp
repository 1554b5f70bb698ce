// What config.json says alike in the families that came before Llama, under names of their own.
#pragma once
#include <fauna/models/config_text.hpp>
#include <tools/src/dense.hpp>
#include <tools/src/fields.hpp>

namespace tool {

/// What sizes are called.
struct SizeFields {
  const char *layers, *heads, *width, *hidden, *context;  ///< hidden: null where it is four times the width
  const char* epsilon = "layer_norm_epsilon";
};

/// The config of as many key heads as heads, which share the width.
template <class C> C read_classic(Config& c, SizeFields const& f, int context, bool tied) {
  C m;
  m.layers = c.whole(f.layers);
  m.heads = m.kv_heads = c.whole(f.heads);
  m.width = c.whole(f.width);
  const int size = head_size(c, f.heads, m.heads, m.width);
  if constexpr (requires { m.head_size; }) m.head_size = size;
  m.hidden = f.hidden != nullptr ? c.whole(f.hidden, 4 * m.width) : 4 * m.width;
  m.context = f.context != nullptr ? c.whole(f.context, context) : context;
  m.vocab = c.whole("vocab_size");
  m.tied = c.flag("tie_word_embeddings", tied);
  if (f.epsilon != nullptr) m.epsilon = static_cast<float>(c.positive(f.epsilon, 1e-5));
  return m;
}
template <class C> Config::Json classic_json(C const& m, SizeFields const& f, const char* type, const char* causal) {
  bool whole_heads = m.width % m.heads == 0;
  if constexpr (requires { m.head_size; }) whole_heads = m.head_size * m.heads == m.width && m.kv_heads == m.heads;
  if (!whole_heads || (f.hidden == nullptr && m.hidden != 4 * m.width))
    fauna::fail("fauna", fauna::to_text(m), "heads that share the width, and 4 times the width inside the MLP",
                "the reference library has no field for others in this family");
  Config::Json j{{"model_type", type}, {"architectures", {causal}}, {f.layers, m.layers},           {f.heads, m.heads},
                 {f.width, m.width},   {"vocab_size", m.vocab},     {"tie_word_embeddings", m.tied}};
  if (f.hidden != nullptr) j[f.hidden] = m.hidden;
  if (f.context != nullptr) j[f.context] = m.context;
  if (f.epsilon != nullptr) j[f.epsilon] = shortest(m.epsilon);
  return j;
}

/// Dropout, which none of these families has here.
inline void without_dropout(Config& c, std::initializer_list<const char*> fields) {
  for (const char* field : fields)
    if (c.use().training) c.only(field, 0);
    else c.without_effect({field});
}

}  // namespace tool
