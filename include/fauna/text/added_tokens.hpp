// Added tokens, such as <|endoftext|>: found in the text itself, before anything else looks at it.
#pragma once
#include <cstddef>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <fauna/text/pretokenize.hpp>
#include <fauna/text/utf8.hpp>

namespace fauna::inline v0 {

/// A token that is matched in the text itself, before anything cuts it.
struct AddedToken {
  std::string content;
  int id = -1;
  bool lstrip = false, rstrip = false;  // it takes the white space on its left, on its right
  bool normalized = true;               // it is normalized too, and looked for in what the others left, after that
  bool special = false;                 // it steers the model: not text, left out by decode
};

namespace bpe {

/// Finds added tokens in text: at each place the longest, the leftmost first.
class AddedTokens {
 public:
  void add(AddedToken t) {
    first_[byte(t.content, 0)] = true;
    for (std::size_t b = 0; b < 256; ++b)
      if (t.content.size() == 1 || b == byte(t.content, 1)) second_[b] = true;
    starting_.resize(256);
    std::vector<std::size_t>& same = starting_[byte(t.content, 0)];
    const std::size_t size = t.content.size();
    tokens_.push_back(std::move(t));
    same.push_back(tokens_.size() - 1);
    for (std::size_t i = same.size() - 1; i > 0 && tokens_[same[i - 1]].content.size() < size; --i)
      std::swap(same[i - 1], same[i]);
  }
  bool empty() const { return tokens_.empty(); }
  /// The longest one that stands at byte `at`, or null.
  const AddedToken* at(std::string_view text, std::size_t at) const {
    return may_start(text, at) ? match(text.substr(at)) : nullptr;
  }

  /// Calls plain(text) for what lies between the tokens and token(id) for each of them, in order. `foreign`: as in
  /// EncodeOptions.
  template <class Plain, class Token>
  void cut(std::string_view text, bool match_special, std::string_view foreign, Plain&& plain, Token&& token) const {
    std::size_t done = 0;
    for (std::size_t at = 0; at < text.size();) {
      const AddedToken* t = this->at(text, at);
      if (t == nullptr) {
        ++at;
        continue;
      }
      std::size_t begin = at, end = at + t->content.size();
      const std::size_t strange = t->special ? foreign_bytes(foreign, begin, end) : 0;
      at = strange > 0 && strange < end - begin ? begin + 1 : end;  // somebody may have begun what another ends
      if (t->special && (!match_special || strange > 0)) continue;  // passed over as a whole, with any token inside it
      if (t->lstrip) begin = left_of_spaces(text, done, begin);
      if (t->rstrip) end = pretokenize::run(text, end, char_class::space);
      if (done < begin) plain(text.substr(done, begin - done));
      token(t->id);
      done = end;
    }
    if (done < text.size()) plain(text.substr(done));
  }

 private:
  static std::size_t byte(std::string_view text, std::size_t at) { return static_cast<unsigned char>(text[at]); }
  /// Two bytes are looked at because GPT-NeoX has tokens for two and more spaces, and texts have single ones.
  bool may_start(std::string_view text, std::size_t at) const {
    return first_[byte(text, at)] && (at + 1 == text.size() || second_[byte(text, at + 1)]);
  }
  const AddedToken* match(std::string_view text) const {
    for (const std::size_t i : starting_[byte(text, 0)])
      if (text.substr(0, tokens_[i].content.size()) == tokens_[i].content) return &tokens_[i];
    return nullptr;
  }
  static std::size_t foreign_bytes(std::string_view marks, std::size_t from, std::size_t to) {
    std::size_t n = 0;
    for (std::size_t i = from; i < to && i < marks.size(); ++i) n += (marks[i] & 1) != 0;
    return n;
  }
  static std::size_t left_of_spaces(std::string_view text, std::size_t from, std::size_t at) {
    while (at > from) {
      const std::size_t before = previous_code_point(text, at);
      if (pretokenize::character(text, before).is != char_class::space) break;
      at = before;
    }
    return at;
  }

  std::vector<AddedToken> tokens_;
  std::vector<std::vector<std::size_t>> starting_;  // those with this first byte, longest first
  bool first_[256] = {}, second_[256] = {};         // is this the first byte of a token, the second of one?
};

}  // namespace bpe

}  // namespace fauna::inline v0
