// Regular expressions: literals, . and classes such as [^a-z\d], groups, |, ? * + {m} {m,} {m,n}. What they match are
// whole texts, so ^ and $ may stand around an alternative and say nothing, and lazy repetitions are as good as others.
// \d \w \s are ASCII's, and . is any character but a line feed, as with Python's re.ASCII. What no automaton can do
// (references back), and what nobody needs here (looking around, \b, flags), is refused with its place.
#pragma once
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <fauna/text/grammar/expression.hpp>

namespace fauna::inline v0::grammar {

struct RegexOptions {
  bool in_string = false;  ///< the text stands in a JSON string
  bool search = false;  ///< a match anywhere in a text suffices, as for JSON schema's "pattern"; ^ and $ mean something
};

namespace detail {

/// In order, without overlaps.
inline std::vector<Range> in_order(std::vector<Range> ranges) {
  for (std::size_t i = 1; i < ranges.size(); ++i)  // there are few
    for (std::size_t j = i; j > 0 && ranges[j].first < ranges[j - 1].first; --j) std::swap(ranges[j], ranges[j - 1]);
  std::vector<Range> all;
  for (Range r : ranges) {
    if (all.empty() || r.first > all.back().last + 1) all.push_back(r);
    else if (r.last > all.back().last) all.back().last = r.last;
  }
  return all;
}
/// All other characters.
inline std::vector<Range> all_but(std::vector<Range> const& ranges) {
  std::vector<Range> rest;
  char32_t from = 0;
  for (Range r : in_order(ranges)) {
    if (r.first > from) rest.push_back({from, r.first - 1});
    from = r.last + 1;
  }
  if (from <= last_character) rest.push_back({from, last_character});
  return rest;
}

class RegexParser {
 public:
  RegexParser(std::string_view text, RegexOptions options) : text_(text), options_(options) {}

  Expression whole() {
    Expression e = alternatives(0);
    if (at_ < text_.size()) wrong("no ')' without its '('");
    return e;
  }

 private:
  static constexpr int deepest = 100, most_times = 100000;

  [[noreturn]] void wrong(std::string const& expected) const {
    const std::string found = at_ < text_.size() ? "byte " + std::to_string(at_) : "the end";
    fail("regex", "at " + found + " of '" + std::string(text_) + '\'', expected);
  }
  bool next_is(std::string_view s) const { return text_.substr(at_, s.size()) == s; }
  bool take(std::string_view s) {
    if (!next_is(s)) return false;
    at_ += s.size();
    return true;
  }

  Expression anything() const { return repeat(characters({{0, last_character}}, options_.in_string), 0); }

  Expression alternatives(int depth) {
    if (depth == deepest) wrong("no more than 100 groups inside each other");
    std::vector<Expression> all;
    do all.push_back(alternative(depth));
    while (take("|"));
    return all.size() == 1 ? std::move(all[0]) : choice(std::move(all));
  }
  Expression alternative(int depth) {
    std::vector<Expression> parts;
    const bool from_start = depth == 0 && take("^");
    bool to_end = false;
    if (options_.search && depth == 0 && !from_start) parts.push_back(anything());
    while (at_ < text_.size() && !next_is("|") && !next_is(")")) {
      if (depth == 0 && next_is("$") && (at_ + 1 == text_.size() || text_[at_ + 1] == '|')) {
        ++at_;
        to_end = true;
        break;
      }
      parts.push_back(repeated(depth));
    }
    if (options_.search && depth == 0 && !to_end) parts.push_back(anything());
    return parts.size() == 1 ? std::move(parts[0]) : sequence(std::move(parts));
  }
  Expression repeated(int depth) {
    Expression e = atom(depth);
    int least = 1, most = 1;
    if (take("?")) least = 0;
    else if (take("*")) least = 0, most = Expression::unbounded;
    else if (take("+")) most = Expression::unbounded;
    else if (take("{")) times(least, most);
    else return e;
    take("?");  // lazy: the same texts
    if (at_ < text_.size() && std::string_view("?*+{").find(text_[at_]) != std::string_view::npos)
      wrong("no repetition of a repetition");
    return repeat(std::move(e), least, most);
  }
  /// After the {.
  void times(int& least, int& most) {
    const auto number = [this](int otherwise) {
      if (at_ >= text_.size() || text_[at_] < '0' || text_[at_] > '9') return otherwise;
      int n = 0;
      for (; at_ < text_.size() && text_[at_] >= '0' && text_[at_] <= '9'; ++at_)
        if ((n = 10 * n + (text_[at_] - '0')) > most_times) wrong("at most 100000 times");
      return n;
    };
    const std::size_t from = at_;
    least = most = number(-1);
    if (take(",")) {
      if (least < 0) least = 0;
      most = number(Expression::unbounded);
      if (at_ == from + 1) least = -1;  // nothing but a comma
    }
    if (least < 0 || !take("}")) wrong("{m}, {m,}, {,n} or {m,n}; \\{ is the character");
    if (most >= 0 && most < least) wrong("{m,n} with m <= n");
  }
  Expression atom(int depth) {
    const char c = text_[at_];
    if (c == '(') return group(depth);
    if (c == '[') return characters(bracketed(), options_.in_string);
    if (take(".")) return characters(all_but({{'\n', '\n'}}), options_.in_string);
    if (c == '\\') {
      std::vector<Range> set;
      escaped(set);
      return characters(std::move(set), options_.in_string);
    }
    if (c == '*' || c == '+' || c == '?' || c == '{') wrong("something to repeat before it; \\ makes it a character");
    if (c == '^' || c == '$') wrong("^ and $ around a whole alternative alone; \\ makes it a character");
    const char32_t one = next_code_point(text_, at_);
    return characters({{one, one}}, options_.in_string);
  }
  Expression group(int depth) {
    ++at_;
    if (take("?")) {
      if (!take(":")) {
        take("P");
        if (!take("<") || next_is("=") || next_is("!")) wrong("(?:, (?P<name> or (?<name>");
        while (at_ < text_.size() && text_[at_] != '>') ++at_;
        if (!take(">")) wrong("'>'");
      }
    }
    Expression e = alternatives(depth + 1);
    if (!take(")")) wrong("')'");
    return e;
  }
  std::vector<Range> bracketed() {
    ++at_;
    const bool negated = take("^");
    std::vector<Range> set;
    for (bool first = true; first || !next_is("]"); first = false) {
      const bool one = member(set);
      if (!next_is("-") || at_ + 1 >= text_.size() || text_[at_ + 1] == ']') continue;
      ++at_;
      const char32_t from = set.back().first;
      std::vector<Range> to;
      if (!member(to) || !one || to[0].first < from) wrong("a range of two characters in order before it");
      set.back().last = to[0].first;
    }
    ++at_;
    return negated ? all_but(set) : in_order(set);
  }
  /// Adds what stands next in brackets; is it one character?
  bool member(std::vector<Range>& set) {
    if (at_ >= text_.size()) wrong("']'");
    if (text_[at_] == '\\') return escaped(set);
    const char32_t c = next_code_point(text_, at_);
    set.push_back({c, c});
    return true;
  }
  /// Adds what a \ and what follows it stand for; is it one character?
  bool escaped(std::vector<Range>& set) {
    if (++at_ >= text_.size()) wrong("a character after \\");
    const char c = text_[at_];
    const auto add = [&](std::vector<Range> const& of, bool negated) {
      for (Range r : negated ? all_but(of) : of) set.push_back(r);
      ++at_;
      return false;
    };
    switch (c) {
      case 'd':
      case 'D': return add({{'0', '9'}}, c == 'D');
      case 'w':
      case 'W': return add({{'0', '9'}, {'A', 'Z'}, {'_', '_'}, {'a', 'z'}}, c == 'W');
      case 's':
      case 'S': return add({{'\t', '\r'}, {' ', ' '}}, c == 'S');
      default: break;
    }
    char32_t one = 0;
    constexpr std::string_view names = "nrtfv", meant = "\n\r\t\f\v";
    if (const std::size_t i = names.find(c); i != std::string_view::npos) {
      one = static_cast<char32_t>(meant[i]);
      ++at_;
    } else if (c == 'x' || c == 'u') {
      ++at_;
      one = hexadecimal(c == 'x' ? 2 : 4);
    } else if ((c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z')) {
      wrong("one of d D w W s S n r t f v x u, or a sign, after \\");
    } else {
      one = next_code_point(text_, at_);
    }
    set.push_back({one, one});
    return true;
  }
  char32_t hexadecimal(int digits) {
    char32_t u = 0;
    for (int i = 0; i < digits; ++i, ++at_) {
      const char c = at_ < text_.size() ? text_[at_] : '\0';
      const int v = c >= '0' && c <= '9'   ? c - '0'
                    : c >= 'a' && c <= 'f' ? c - 'a' + 10
                    : c >= 'A' && c <= 'F' ? c - 'A' + 10
                                           : -1;
      if (v < 0) wrong("a hexadecimal digit");
      u = u << 4 | static_cast<char32_t>(v);
    }
    if (u >= 0xd800 && u < 0xe000) wrong("a character, no half of a surrogate pair");
    return u;
  }

  std::string_view text_;
  RegexOptions options_;
  std::size_t at_ = 0;
};

}  // namespace detail

/// Throws on what is none, or none of these, with the byte.
inline Expression regex(std::string_view text, RegexOptions options = {}) {
  return detail::RegexParser(text, options).whole();
}

}  // namespace fauna::inline v0::grammar
