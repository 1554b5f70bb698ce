// Text from a model, one token after another: nanoGPT's generate. Each step reads the last `context` tokens anew.
#pragma once
#include <string>
#include <string_view>
#include <vector>

#include <fauna/core/batch.hpp>
#include <fauna/core/call.hpp>
#include <fauna/decode/sampling.hpp>

namespace fauna::inline v0 {

/// The defaults are those of nanoGPT's sample.py.
struct GenerateOptions {
  int tokens = 500;
  float temperature = 0.8F;  ///< 0: always the likeliest token
  int top_k = 200;           ///< 0: all
  float top_p = 1;
  std::uint64_t seed = 1337;
  std::uint64_t sample = 0;  ///< which of the texts that a seed gives
  int vocab = 0;             ///< draw among the first so many ids; 0: all of the model's
};

/// Continues `ids` by options.tokens tokens and calls see(token) with each; all ids are returned. A token is drawn from
/// (seed, sample, its position), so the text does not depend on the number of threads. At most `context` tokens are
/// read at once; the model's own limit where it has one.
template <class T, class F>
std::vector<int> generate_tokens(T& model, std::vector<int> ids, GenerateOptions const& o, F&& see, int context = 0) {
  using M = typename T::model;
  if constexpr (requires { M::config.context; }) context = M::config.context;
  if (ids.empty()) fail("generate", "an empty prompt", "at least one token");
  if (context < 1) fail("generate", "a context of " + std::to_string(context), "at least 1");
  for (const int id : ids)
    if (id < 0 || id >= M::vocab)
      fail("generate", "token " + std::to_string(id), "one of the model's " + std::to_string(M::vocab));
  if (o.tokens < 0) fail("generate", std::to_string(o.tokens) + " tokens", "0 or more");
  model.prepare_inference({.sequences = 1, .length = context});
  const int vocab = o.vocab > 0 && o.vocab < M::vocab ? o.vocab : M::vocab;
  Sampler sampler(vocab, {.temperature = o.temperature, .top_k = o.top_k, .top_p = o.top_p});
  std::vector<float> logits(static_cast<std::size_t>(M::vocab));
  const Key key = Key{o.seed, 0}.child(0x74657874).child(o.sample);
  ids.reserve(ids.size() + static_cast<std::size_t>(o.tokens));
  for (int i = 0; i < o.tokens; ++i) {
    const auto most = static_cast<std::size_t>(context);
    const std::size_t from = ids.size() > most ? ids.size() - most : 0;
    model.logits(Batch::uniform(1, static_cast<int>(ids.size() - from), ids.data() + from),
                 Matrix<float>(logits.data(), 1, M::vocab));
    ids.push_back(sampler(logits.data(), key, ids.size()));
    see(ids.back());
  }
  return ids;
}

/// prompt and what follows it. `see` is called with each piece of text as it comes.
template <class T, class Text, class F>
std::string generate(T& model, Text const& text, std::string_view prompt, GenerateOptions const& o, F&& see) {
  std::string all(prompt);
  GenerateOptions in_text = o;  // a model may know more ids than the text has characters
  if (o.vocab == 0) in_text.vocab = text.vocab();
  generate_tokens(model, text.encode(prompt), in_text, [&](int id) {
    const std::string piece = text.decode(&id, 1);
    see(piece);
    all += piece;
  });
  return all;
}
template <class T, class Text>
std::string generate(T& model, Text const& text, std::string_view prompt, GenerateOptions const& o = {}) {
  return generate(model, text, prompt, o, [](std::string const&) {});
}

}  // namespace fauna::inline v0
