// A grammar as what decides which tokens may follow a text: for generate, and for drafts, whose places are asked for in
// any order.
#pragma once
#include <vector>

#include <fauna/decode/sampling.hpp>
#include <fauna/text/grammar/mask.hpp>

namespace fauna::inline v0 {

/// What stands behind the first `prompt` tokens of a text is one of the grammar's. Not for several threads at once.
class TextRule final : public TokenRule {
 public:
  TextRule(grammar::TokenGrammar& grammar, std::size_t prompt) : grammar_(grammar), prompt_(prompt) {}

  void forbid(float* logits, int vocab, const int* text, std::size_t n) override {
    const int state = after(text, n);
    if (state != none && !grammar_.ends(state)) grammar::forbid(grammar_.mask(state), logits, vocab);
  }
  bool ends(const int* text, std::size_t n) override {
    const int state = after(text, n);
    return state != none && grammar_.ends(state);
  }

 private:
  static constexpr int none = grammar::Automaton::none;

  /// The state after text[n], or none. What the last text has, too, is not read again.
  int after(const int* text, std::size_t n) {
    if (n < prompt_) return none;
    std::size_t same = 0;
    while (same < ids_.size() && prompt_ + same < n && ids_[same] == text[prompt_ + same]) ++same;
    ids_.resize(same);
    states_.resize(same);
    for (std::size_t i = prompt_ + same; i < n; ++i) {
      const int before = states_.empty() ? grammar_.start() : states_.back();
      ids_.push_back(text[i]);
      states_.push_back(before == none ? before : grammar_.after(before, text[i]));
    }
    return states_.empty() ? grammar_.start() : states_.back();
  }

  grammar::TokenGrammar& grammar_;
  std::size_t prompt_;
  std::vector<int> ids_{}, states_{};
};

}  // namespace fauna::inline v0
