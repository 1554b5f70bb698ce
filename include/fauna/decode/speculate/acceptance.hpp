// Which tokens of a draft stay, and what stands where one does not. docs/speculation.md derives the rules.
#pragma once
#include <vector>

#include <fauna/decode/generate.hpp>

namespace fauna::inline v0 {

/// The law of a token: a probability for each id of a vocabulary.
using Law = std::vector<double>;

/// What a draft has at one place: a token, or in a tree siblings, of which one at most stays; behind the draft none.
struct Drafted {
  const int* tokens = nullptr;
  int count = 0;
  const Law* law = nullptr;  ///< that drew them; null or empty: they are what they are, whatever the chances
};

/// Where a token is drawn: a model's logits [vocab] there, and the text before it.
struct Drawing {
  Sampler& sampler;  ///< temperature, top-k, top-p, min-p and penalties of the text
  const float* logits;
  Key key;  ///< of the text
  const int* text;
  std::size_t position;  ///< in the text, and how many tokens stand before

  /// As plain decoding does.
  int operator()() const { return sampler(logits, key, position, text, position); }
  /// The same where some tokens are forbidden.
  int other_than(Drafted const& those) const {
    if (those.count == 0) return (*this)();
    const std::vector<float> rest = without(those);
    return sampler(rest.data(), key, position, text, position);
  }
  /// What plain decoding draws by there.
  Law law() const {
    Law p(static_cast<std::size_t>(sampler.vocab()));
    sampler.law(logits, p.data(), text, position);
    return p;
  }
  /// The likeliest token but for some.
  int likeliest(Drafted const& but) const {
    const Law p = law();
    int best = -1;
    for (int i = 0; i < sampler.vocab(); ++i) {
      bool drawn = false;
      for (int k = 0; k < but.count; ++k) drawn = drawn || but.tokens[k] == i;
      if (!drawn && (best < 0 || p[static_cast<std::size_t>(i)] > p[static_cast<std::size_t>(best)])) best = i;
    }
    return best;
  }
  /// Noise of this place that plain decoding does not use: one key for each use and sibling.
  enum class use : std::uint64_t { draft = 1, stays, instead };
  Key noise(use of, int sibling = 0) const {
    return key.child(position).child(static_cast<std::uint64_t>(of)).child(static_cast<std::uint64_t>(sibling));
  }

 private:
  std::vector<float> without(Drafted const& those) const {
    std::vector<float> rest(logits, logits + sampler.vocab());
    for (int i = 0; i < those.count; ++i) rest[static_cast<std::size_t>(those.tokens[i])] = -__builtin_inff();
    return rest;
  }
};

/// What a rule keeps of plain decoding: its ids for the same seed; its law, while the ids follow from the length of the
/// drafts too; or nothing: the text is another model's.
enum class keeps : int { ids, law, nothing };

/// a.draft(at, q, earlier): the token that a draft model proposes at its own logits, beside the siblings that it has
/// proposed there already; where the rule goes by laws, q becomes the one that drew them. a.next(at, drafted): the
/// token of the text, at the target's logits. While it is one that was drafted the block goes on; another ends it.
/// a.kept says what is kept of plain decoding; a.check(options) throws where that cannot be.
template <class A>
concept Acceptance = requires(A const& a, Drawing const& at, GenerateOptions const& o, Law& q, Drafted const& drafted) {
  a.check(o);
  { a.kept } -> std::convertible_to<keeps>;
  { a.draft(at, q, drafted) } -> std::convertible_to<int>;
  { a.next(at, drafted) } -> std::convertible_to<int>;
};

}  // namespace fauna::inline v0
