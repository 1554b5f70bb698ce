// Which tokens of a draft stay, and what stands where one does not.
#pragma once
#include <fauna/decode/generate.hpp>

namespace fauna::inline v0 {

/// Where a token is drawn: a model's logits [vocab] there, and the text before it.
struct Drawing {
  Sampler& sampler;  ///< temperature, top-k, top-p, min-p and penalties of the text
  const float* logits;
  Key key;  ///< of the text
  const int* text;
  std::size_t position;  ///< in the text, and how many tokens stand before

  /// As plain decoding does.
  int operator()() const { return sampler(logits, key, position, text, position); }
};

/// a.draft(at): the token that a draft model proposes, at its own logits. a.next(at, drafted): the token of the text,
/// at the target's logits; `drafted` is what the draft has there, -1 behind the draft. While they are the same the
/// block goes on; the first other token ends it. a.check(options) throws where it cannot keep its promise.
template <class A>
concept Acceptance = requires(A const& a, Drawing const& at, GenerateOptions const& o, int drafted) {
  a.check(o);
  { a.draft(at) } -> std::convertible_to<int>;
  { a.next(at, drafted) } -> std::convertible_to<int>;
};

}  // namespace fauna::inline v0
