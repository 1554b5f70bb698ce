// What a text may be, as a tree: characters, one thing after another, one of several, one repeated, or a rule by its
// number. Rules may use each other and themselves; without that a grammar is a regular expression.
#pragma once
#include <string_view>
#include <utility>
#include <vector>

#include <fauna/text/utf8.hpp>

namespace fauna::inline v0::grammar {

/// Characters first to last, both included.
struct Range {
  char32_t first, last;
};
inline constexpr char32_t last_character = 0x10ffff;

struct Expression {
  enum class kind { characters, sequence, choice, repeat, rule };
  static constexpr int unbounded = -1;

  kind is = kind::sequence;  ///< of nothing: the empty text
  std::vector<Range> ranges{};
  bool in_string = false;  ///< the character is spelt as between the quotes of JSON: " as \"
  std::vector<Expression> parts{};
  int least = 0, most = unbounded;  ///< times that parts[0] is repeated
  int rule = 0;
};

/// Rule 0 is what a whole text is.
struct Grammar {
  std::vector<Expression> rules{};
};

inline Expression characters(std::vector<Range> ranges, bool in_string = false) {
  return {.is = Expression::kind::characters, .ranges = std::move(ranges), .in_string = in_string};
}
inline Expression sequence(std::vector<Expression> parts) { return {.parts = std::move(parts)}; }
inline Expression choice(std::vector<Expression> parts) {
  return {.is = Expression::kind::choice, .parts = std::move(parts)};
}
inline Expression repeat(Expression part, int least, int most = Expression::unbounded) {
  Expression e{.is = Expression::kind::repeat, .least = least, .most = most};
  e.parts.push_back(std::move(part));
  return e;
}
inline Expression optional(Expression part) { return repeat(std::move(part), 0, 1); }
inline Expression rule(int number) { return {.is = Expression::kind::rule, .rule = number}; }
/// The rules of one grammar behind those of another: one of its texts, as an expression of that.
inline Expression append(Grammar& to, Grammar from) {
  const auto moved = [by = static_cast<int>(to.rules.size())](auto&& self, Expression& e) -> void {
    if (e.is == Expression::kind::rule) e.rule += by;
    for (Expression& part : e.parts) self(self, part);
  };
  const int first = static_cast<int>(to.rules.size());
  for (Expression& e : from.rules) {
    moved(moved, e);
    to.rules.push_back(std::move(e));
  }
  return rule(first);
}
/// This text, which is UTF-8.
inline Expression literal(std::string_view text) {
  Expression e;
  for (std::size_t at = 0; at < text.size();) {
    const char32_t c = next_code_point(text, at);
    e.parts.push_back(characters({{c, c}}));
  }
  return e;
}

}  // namespace fauna::inline v0::grammar
