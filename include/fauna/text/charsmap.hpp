// SentencePiece's rules that replace parts of a text, such as NFKC, compiled into a trie that models carry with them
// (sentencepiece, src/normalizer.cc):
//   bytes of the trie, 32 bits | trie | the replacements, each ended by a zero
// The trie is a double array (Aoe 1989; Darts-clone): units of 32 bits. From a unit, byte c leads to the unit at
// place ^ c, if that one is labelled c.
#pragma once
#include <cstdint>
#include <cstring>
#include <string>
#include <string_view>
#include <vector>

#include <fauna/core/error.hpp>

namespace fauna::inline v0 {

class Charsmap {
 public:
  struct Rule {
    std::size_t taken = 0;  ///< bytes of the text; 0: there is no rule
    std::string_view to;
  };

  Charsmap() = default;  ///< no rules
  /// Throws where the blob contradicts itself.
  Charsmap(std::string_view blob, std::string const& source) {
    const auto wrong = [&](std::string const& found, std::string const& expected) {
      fail("text", source + ": precompiled_charsmap " + found, expected);
    };
    std::uint32_t bytes = 0;
    if (blob.size() < sizeof bytes) wrong("has " + std::to_string(blob.size()) + " bytes", "4 at least");
    std::memcpy(&bytes, blob.data(), sizeof bytes);
    blob.remove_prefix(sizeof bytes);
    if (bytes == 0 || bytes % 4 != 0 || bytes > blob.size())
      wrong("has a trie of " + std::to_string(bytes) + " bytes", "whole units, within the blob");
    units_.resize(bytes / 4);
    std::memcpy(units_.data(), blob.data(), bytes);
    strings_ = blob.substr(bytes);
    if (!strings_.empty() && strings_.back() != '\0') wrong("has a replacement without an end", "a zero at the end");
    for (const std::uint32_t u : units_)
      if (is_value(u) && (u & value_bits) >= strings_.size())
        wrong("has a rule for the replacement at " + std::to_string(u & value_bits),
              "less than " + std::to_string(strings_.size()));
  }

  bool empty() const { return units_.empty(); }

  /// The longest rule for what the text begins with.
  Rule match(std::string_view text) const {
    Rule best;
    if (empty()) return best;
    std::size_t at = offset(units_[0]);
    for (std::size_t i = 0; i < text.size(); ++i) {
      const auto c = static_cast<unsigned char>(text[i]);
      at ^= c;
      if (c == 0 || at >= units_.size() || (units_[at] & (0x80000000U | 255U)) != c) break;
      const bool ends = (units_[at] >> 8 & 1U) != 0;
      at ^= offset(units_[at]);
      if (!ends) continue;
      if (at >= units_.size() || !is_value(units_[at])) break;  // a trie that contradicts itself
      best = {i + 1, strings_.c_str() + (units_[at] & value_bits)};
    }
    return best;
  }

 private:
  static constexpr std::uint32_t value_bits = 0x7fffffffU;
  static bool is_value(std::uint32_t unit) { return unit > value_bits; }
  static std::size_t offset(std::uint32_t unit) { return std::size_t{unit >> 10} << ((unit & 512U) >> 6); }

  std::vector<std::uint32_t> units_;
  std::string strings_;
};

}  // namespace fauna::inline v0
