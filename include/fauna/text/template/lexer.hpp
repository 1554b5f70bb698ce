// A template as tokens, with white space around tags taken away as jinja2 does it with trim_blocks and lstrip_blocks:
// a line break behind {% %} and {# #} goes, and what is blank before them on their line; `-` takes all white space on
// its side, `+` none.
#pragma once
#include <fauna/text/template/context.hpp>

namespace fauna::inline v0::jinja {

/// `sign` is an operator or a bracket.
enum class token { data, variable_begin, variable_end, block_begin, block_end, name, string, integer, real, sign, end };

struct Token {
  token is;
  std::size_t at;      ///< where in the source
  std::string text{};  ///< of a string, what it stands for
};

/// A source as jinja2 reads it: every line break is \n, and one at the end is none.
inline std::string unified(std::string_view text) {
  std::string out;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '\r') {
      out += '\n';
      if (i + 1 < text.size() && text[i + 1] == '\n') ++i;
    } else {
      out += text[i];
    }
  }
  if (!out.empty() && out.back() == '\n') out.pop_back();
  return out;
}

class Lexer {
 public:
  static std::vector<Token> read(Source const& source) { return Lexer(source).all(); }

 private:
  explicit Lexer(Source const& source) : source_(source), s_(source.text) {}

  static bool digit(char c) { return c >= '0' && c <= '9'; }
  static bool letter(char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_' || static_cast<unsigned char>(c) >= 0x80;
  }
  char look(std::size_t ahead = 0) const { return at_ + ahead < s_.size() ? s_[at_ + ahead] : '\0'; }
  bool ahead(std::string_view what) const { return s_.substr(at_, what.size()) == what; }
  /// Behind the white space that starts at `at`.
  std::size_t behind_space(std::size_t at) const {
    while (at < s_.size()) {
      std::size_t next = at;
      if (!is_space(next_code_point(s_, next))) break;
      at = next;
    }
    return at;
  }
  void add(token is, std::size_t at, std::string text = {}) { tokens_.push_back({is, at, std::move(text)}); }

  std::vector<Token> all() {
    std::size_t at = 0;
    try {
      while (at < s_.size()) next_code_point(s_, at);
    } catch (error const&) {
      source_.fail(at, "bytes that are no UTF-8");
    }
    while (at_ < s_.size()) {
      std::size_t tag = s_.find('{', at_);
      while (tag != std::string_view::npos &&
             (tag + 1 == s_.size() || std::string_view("%{#").find(s_[tag + 1]) == std::string_view::npos))
        tag = s_.find('{', tag + 1);
      if (tag == std::string_view::npos) {
        data(s_.size(), '+', false);
        break;
      }
      const char opens = s_[tag + 1], control = tag + 2 < s_.size() ? s_[tag + 2] : '\0';
      data(tag, control, opens != '{');
      at_ = tag + 2;
      if (look() == '-' || look() == '+') ++at_;
      if (opens == '#') {
        comment(tag);
      } else if (opens == '%' && raw_begins()) {
        raw(tag);
      } else {
        add(opens == '%' ? token::block_begin : token::variable_begin, tag);
        inside(opens == '%', tag);
      }
    }
    add(token::end, s_.size());
    return std::move(tokens_);
  }

  /// The text up to a tag with this sign; a tag that is no {{ }} may have its line's blanks taken away.
  void data(std::size_t to, char control, bool may_strip) {
    Text t{std::string(s_.substr(at_, to - at_)), {}};
    if (control == '-') {
      t = strip(t, 2);
    } else if (control != '+' && may_strip) {
      const std::size_t line = t.bytes.rfind('\n') + 1;
      if ((line > 0 || line_starts_) && behind_space(at_ + line) >= to) t.bytes.resize(line);
    }
    if (t.size() > 0) add(token::data, at_, t.bytes);
  }
  /// Passes over the end of a tag, `%}` and such, if it is next.
  bool closes(char kind) {
    const bool minus = look() == '-', plus = look() == '+' && kind != '}';
    const std::size_t n = minus || plus ? 1 : 0;
    if (look(n) != kind || look(n + 1) != '}') return false;
    at_ += n + 2;
    const std::size_t end = at_;
    if (minus) at_ = behind_space(at_);
    else if (!plus && kind != '}' && look() == '\n') ++at_;
    line_starts_ = at_ > end && s_[at_ - 1] == '\n';
    return true;
  }
  void comment(std::size_t from) {
    while (!closes('#')) {
      if (at_ >= s_.size()) source_.fail(from, "a comment without its end", "#}");
      ++at_;
    }
  }
  /// {% raw %}: passed over if it is next.
  bool raw_begins() {
    std::size_t at = behind_space(at_);
    if (s_.substr(at, 3) != "raw") return false;
    at = behind_space(at + 3);
    const bool minus = s_.substr(at, 1) == "-";
    if (s_.substr(at + (minus ? 1 : 0), 2) != "%}") return false;
    at_ = at + (minus ? 3 : 2);
    const std::size_t end = at_;
    if (minus) at_ = behind_space(at_);
    line_starts_ = at_ > end && s_[at_ - 1] == '\n';
    return true;
  }
  void raw(std::size_t from) {
    for (std::size_t tag = at_; (tag = s_.find("{%", tag)) != std::string_view::npos; tag += 2) {
      const char control = tag + 2 < s_.size() ? s_[tag + 2] : '\0';
      std::size_t at = behind_space(tag + (control == '-' || control == '+' ? 3 : 2));
      if (s_.substr(at, 6) != "endraw") continue;
      const std::size_t begin = at_;
      const bool starts = line_starts_;
      at_ = behind_space(at + 6);
      const bool ends = closes('%');
      const std::size_t behind = at_;
      const bool next_starts = line_starts_;
      at_ = begin;
      if (!ends) continue;
      line_starts_ = starts;
      data(tag, control, true);
      at_ = behind;
      line_starts_ = next_starts;
      return;
    }
    source_.fail(from, "a raw block without its end", "{% endraw %}");
  }

  /// A tag's tokens, and its end.
  void inside(bool block, std::size_t from) {
    std::string open;  // brackets
    for (;;) {
      at_ = behind_space(at_);
      const std::size_t at = at_;
      if (at >= s_.size()) source_.fail(from, "a tag without its end", block ? "%}" : "}}");
      if (open.empty() && closes(block ? '%' : '}')) return add(block ? token::block_end : token::variable_end, at);
      const char c = look();
      if (digit(c)) number();
      else if (letter(c)) {
        while (at_ < s_.size() && (letter(look()) || digit(look()))) ++at_;
        add(token::name, at, std::string(s_.substr(at, at_ - at)));
      } else if (c == '\'' || c == '"') string(c);
      else sign(open);
    }
  }
  void sign(std::string& open) {
    constexpr std::string_view signs[] = {"//", "**", "==", "!=", ">=", "<=", "+", "-", "/", "*", "%", "~", "[",
                                          "]",  "(",  ")",  "{",  "}",  ">",  "<", "=", ".", ":", "|", ","};
    for (const std::string_view op : signs) {
      if (!ahead(op)) continue;
      if (op == "(" || op == "[" || op == "{") open += op == "(" ? ')' : op == "[" ? ']' : '}';
      if (op == ")" || op == "]" || op == "}") {
        const std::string expected = open.empty() ? "" : std::string(1, open.back());
        if (op != expected) source_.fail(at_, "'" + std::string(op) + "'", open.empty() ? "" : "'" + expected + "'");
        open.pop_back();
      }
      add(token::sign, at_, std::string(op));
      at_ += op.size();
      return;
    }
    std::size_t end = at_;
    next_code_point(s_, end);
    source_.fail(at_, "'" + std::string(s_.substr(at_, end - at_)) + "'", "an expression");
  }
  std::size_t digits(std::size_t at) const {
    while (at < s_.size() && (digit(s_[at]) || (s_[at] == '_' && at + 1 < s_.size() && digit(s_[at + 1])))) ++at;
    return at;
  }
  void number() {
    const std::size_t from = at_;
    std::size_t end = digits(at_);
    bool real = false;
    if (from == 0 || s_[from - 1] != '.') {  // a.1.2 are two places, no number
      if (end + 1 < s_.size() && s_[end] == '.' && digit(s_[end + 1])) {
        real = true;
        end = digits(end + 1);
      }
      std::size_t e = end;
      if (e < s_.size() && (s_[e] == 'e' || s_[e] == 'E')) {
        ++e;
        if (e < s_.size() && (s_[e] == '+' || s_[e] == '-')) ++e;
        if (e < s_.size() && digit(s_[e])) {
          real = true;
          end = digits(e);
        }
      }
    }
    at_ = end;
    std::string plain;
    for (const char c : s_.substr(from, end - from))
      if (c != '_') plain += c;
    add(real ? token::real : token::integer, from, plain);
  }
  void string(char quote) {
    const std::size_t from = at_++;
    std::string out;
    for (;;) {
      if (at_ >= s_.size()) source_.fail(from, "a string without its end", std::string(1, quote));
      const char c = s_[at_++];
      if (c == quote) break;
      if (c == '\\' && at_ < s_.size()) escape(out);
      else out += c;
    }
    add(token::string, from, out);
  }
  /// What stands behind a backslash, as Python reads it. What is no escape stays as it is.
  void escape(std::string& out) {
    constexpr std::string_view from = "abfnrtv\\'\"", to = "\a\b\f\n\r\t\v\\'\"";
    const char c = s_[at_];
    if (const std::size_t i = from.find(c); i != std::string_view::npos) {
      out += to[i];
      ++at_;
      return;
    }
    if (c == '\n') return void(++at_);
    const std::size_t most = c == 'x' ? 2 : c == 'u' ? 4 : c == 'U' ? 8 : c >= '0' && c <= '7' ? 3 : 0;
    if (most == 0) return void(out += '\\');
    const bool octal = most == 3;
    std::size_t at = at_ + (octal ? 0 : 1);
    std::uint32_t code = 0;
    std::size_t n = 0;
    for (; n < most && at < s_.size(); ++n, ++at) {
      const char d = s_[at];
      const int v = digit(d) ? d - '0' : d >= 'a' && d <= 'f' ? d - 'a' + 10 : d >= 'A' && d <= 'F' ? d - 'A' + 10 : 99;
      if (v >= (octal ? 8 : 16)) break;
      code = code * (octal ? 8U : 16U) + static_cast<std::uint32_t>(v);
    }
    if ((!octal && n < most) || code > 0x10ffff || (code >= 0xd800 && code < 0xe000))
      source_.fail(at_ - 1, "an escape that is no character", "\\n, \\xhh, \\uhhhh");
    append_code_point(out, static_cast<char32_t>(code));
    at_ = at;
  }

  Source const& source_;
  std::string_view s_;
  std::size_t at_ = 0;
  bool line_starts_ = true;  ///< the last tag took its line break with it, or there was none
  std::vector<Token> tokens_{};
};

}  // namespace fauna::inline v0::jinja
