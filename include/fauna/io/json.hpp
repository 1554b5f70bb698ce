// A strict reader of JSON (RFC 8259) that hands out one value after another and builds nothing. Its text is checked
// while it is read: what was skipped has been checked too.
#pragma once
#include <cmath>
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>

#include <fauna/core/error.hpp>

namespace fauna::inline v0 {

/// The kinds of a JSON value.
enum class json : int { object, array, string, number, boolean, null };
constexpr const char* name_of(json k) {
  constexpr const char* names[] = {"an object", "an array", "a string", "a number", "true or false", "null"};
  return names[static_cast<int>(k)];
}

/// A string as JSON spells it.
inline std::string json_quoted(std::string_view s) {
  constexpr char hex[] = "0123456789abcdef";
  std::string q = "\"";
  for (const char c : s) {
    if (c == '"' || c == '\\') q += '\\';
    if (static_cast<unsigned char>(c) >= 0x20) q += c;
    else (((q += "\\u00") += hex[static_cast<unsigned char>(c) >> 4]) += hex[static_cast<unsigned char>(c) & 15U]);
  }
  return q + '"';
}

/// Usage:
///   JsonReader in(text, "config.json");
///   in.enter_object();
///   for (std::string key; in.next_key(key);) key == "layers" ? n = in.integer() : in.skip();
///   in.end();
/// Every error names the source and the byte at which it was found.
class JsonReader {
 public:
  /// `source` names the text in errors. The text must outlive the reader.
  JsonReader(std::string_view text, std::string source) : text_(text), source_(static_cast<std::string&&>(source)) {}

  json peek() {
    switch (current()) {
      case '{': return json::object;
      case '[': return json::array;
      case '"': return json::string;
      case 't':
      case 'f': return json::boolean;
      case 'n': return json::null;
      default:
        if (current() == '-' || digit(current())) return json::number;
        wrong("a value");
    }
  }

  void enter_object() { enter('{', json::object); }
  void enter_array() { enter('[', json::array); }
  /// The next key of the entered object, or false at its end, which is then left.
  bool next_key(std::string& key) {
    if (!next('}')) return false;
    if (current() != '"') wrong("a key");
    key = string();
    if (current() != ':') wrong("':'");
    ++at_;
    return true;
  }
  /// Is there another value in the entered array? If not, it is left.
  bool next_item() { return next(']'); }

  std::string string() {
    std::string out;
    read_string(&out);
    return out;
  }
  bool boolean() {
    if (current() == 't') return literal("true"), true;
    if (current() == 'f') return literal("false"), false;
    wrong(name_of(json::boolean));
  }
  void null() {
    if (current() != 'n') wrong(name_of(json::null));
    literal("null");
  }
  double number() {
    const std::string digits(scan_number());
    return std::strtod(digits.c_str(), nullptr);
  }
  /// Is the next value a number that is written as a whole one?
  bool whole_next() {
    if (peek() != json::number) return false;
    std::size_t end = at_ + (text_[at_] == '-' ? 1 : 0);
    while (end < text_.size() && digit(text_[end])) ++end;
    return end == text_.size() || (text_[end] != '.' && text_[end] != 'e' && text_[end] != 'E');
  }
  /// A number that is written as a whole one and fits.
  long long integer() {
    const std::size_t from = (current(), at_);
    const std::string_view digits = scan_number();
    const bool negative = digits[0] == '-';
    std::uint64_t n = 0;
    const std::uint64_t most = (std::uint64_t{1} << 63) - (negative ? 0U : 1U);
    for (const char c : digits.substr(negative ? 1 : 0)) {
      const auto d = static_cast<std::uint64_t>(c - '0');
      if (!digit(c) || n > (most - d) / 10) {
        at_ = from;
        wrong("a whole number of at most 63 bits");
      }
      n = 10 * n + d;
    }
    return static_cast<long long>(negative ? std::uint64_t{0} - n : n);
  }
  /// Passes over a value of any kind.
  void skip() {
    switch (peek()) {
      case json::object: {
        enter_object();
        for (std::string key; next_key(key);) skip();
        break;
      }
      case json::array:
        enter_array();
        while (next_item()) skip();
        break;
      case json::string: read_string(nullptr); break;
      case json::number: scan_number(); break;
      case json::boolean: boolean(); break;
      case json::null: null(); break;
    }
  }
  /// Nothing may follow but white space.
  void end() {
    space();
    if (at_ != text_.size()) wrong("the end of the text");
  }

  /// For errors of one's own: where the reader stands, in bytes.
  std::size_t at() const { return at_; }
  [[noreturn]] void wrong(std::string const& expected) const {
    const bool ends = at_ >= text_.size();
    fail("json", source_ + ": " + (ends ? std::string("the text ends") : shown()) + " at byte " + std::to_string(at_),
         expected);
  }

 private:
  static constexpr int deepest = 128;
  static constexpr bool digit(char c) { return c >= '0' && c <= '9'; }

  std::string shown() const {
    const char c = text_[at_];
    if (c >= ' ' && c < 0x7f) return std::string("'") + c + '\'';
    constexpr char hex[] = "0123456789abcdef";
    const auto u = static_cast<unsigned char>(c);
    return std::string("0x") + hex[u >> 4] + hex[u & 15U];
  }
  void space() {
    while (at_ < text_.size() && (text_[at_] == ' ' || text_[at_] == '\n' || text_[at_] == '\t' || text_[at_] == '\r'))
      ++at_;
  }
  /// The first character that is not white space; 0 at the end.
  char current() {
    space();
    return at_ < text_.size() ? text_[at_] : '\0';
  }
  void enter(char open, json what) {
    if (current() != open) wrong(name_of(what));
    if (depth_ == deepest) wrong("no more than 128 values inside each other");
    ++depth_;
    ++at_;
    fresh_ = true;
  }
  bool next(char close) {
    if (current() == close) {
      ++at_;
      --depth_;
      fresh_ = false;
      return false;
    }
    if (!fresh_) {
      if (current() != ',') wrong(std::string("',' or '") + close + '\'');
      ++at_;
      if (current() == close) wrong("a value after ','");
    }
    fresh_ = false;
    return true;
  }
  void literal(std::string_view word) {
    for (const char c : word) {
      if (at_ >= text_.size() || text_[at_] != c) wrong(std::string(word));
      ++at_;
    }
  }
  std::string_view scan_number() {
    if (peek() != json::number) wrong(name_of(json::number));
    const std::size_t from = at_;
    const auto digits = [this] {
      if (at_ >= text_.size() || !digit(text_[at_])) wrong("a digit");
      while (at_ < text_.size() && digit(text_[at_])) ++at_;
    };
    if (text_[at_] == '-') ++at_;
    if (at_ < text_.size() && text_[at_] == '0') ++at_;
    else digits();
    if (at_ < text_.size() && text_[at_] == '.') ++at_, digits();
    if (at_ < text_.size() && (text_[at_] == 'e' || text_[at_] == 'E')) {
      ++at_;
      if (at_ < text_.size() && (text_[at_] == '+' || text_[at_] == '-')) ++at_;
      digits();
    }
    return text_.substr(from, at_ - from);
  }
  /// The four digits of \uXXXX.
  unsigned hex4() {
    unsigned u = 0;
    for (int i = 0; i < 4; ++i, ++at_) {
      const char c = at_ < text_.size() ? text_[at_] : '\0';
      const int v = digit(c) ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
      if (v < 0) wrong("a hexadecimal digit");
      u = u << 4 | static_cast<unsigned>(v);
    }
    return u;
  }
  static void put_utf8(std::string* out, unsigned u) {
    if (out == nullptr) return;
    const auto put = [out](unsigned b) { *out += static_cast<char>(static_cast<unsigned char>(b)); };
    if (u < 0x80) return put(u);
    if (u < 0x800) put(0xc0U | u >> 6);
    else if (u < 0x10000) put(0xe0U | u >> 12), put(0x80U | (u >> 6 & 0x3fU));
    else put(0xf0U | u >> 18), put(0x80U | (u >> 12 & 0x3fU)), put(0x80U | (u >> 6 & 0x3fU));
    put(0x80U | (u & 0x3fU));
  }
  /// Bytes of the well-formed UTF-8 sequence that starts here (Unicode 15, table 3-7).
  std::size_t utf8_length() const {
    const auto byte = [this](std::size_t i) {
      return at_ + i < text_.size() ? static_cast<unsigned>(static_cast<unsigned char>(text_[at_ + i])) : 0U;
    };
    const unsigned b = byte(0), c = byte(1);
    const std::size_t n = b < 0x80                ? 1
                          : b >= 0xc2 && b < 0xe0 ? 2
                          : b >= 0xe0 && b < 0xf0 ? 3
                          : b >= 0xf0 && b < 0xf5 ? 4
                                                  : 0;
    if (n == 0) wrong("well-formed UTF-8");
    for (std::size_t i = 1; i < n; ++i)
      if ((byte(i) & 0xc0U) != 0x80U) wrong("well-formed UTF-8");
    const bool overlong = (b == 0xe0 && c < 0xa0) || (b == 0xf0 && c < 0x90);
    const bool outside = (b == 0xed && c > 0x9f) || (b == 0xf4 && c > 0x8f);  // surrogates; past U+10FFFF
    if (overlong || outside) wrong("well-formed UTF-8");
    return n;
  }
  void escape(std::string* out) {
    const char c = at_ < text_.size() ? text_[at_] : '\0';
    constexpr std::string_view from = "\"\\/bfnrt", to = "\"\\/\b\f\n\r\t";
    if (const std::size_t i = from.find(c); c != '\0' && i != std::string_view::npos) {
      if (out != nullptr) *out += to[i];
      ++at_;
      return;
    }
    if (c != 'u') wrong("an escape of JSON");
    ++at_;
    unsigned u = hex4();
    if (u >= 0xdc00 && u < 0xe000) wrong("the first half of a surrogate pair before the second");
    if (u >= 0xd800 && u < 0xdc00) {
      if (text_.substr(at_, 2) != "\\u") wrong("the second half of a surrogate pair");
      at_ += 2;
      const unsigned low = hex4();
      if (low < 0xdc00 || low >= 0xe000) wrong("the second half of a surrogate pair");
      u = 0x10000U + ((u - 0xd800U) << 10) + (low - 0xdc00U);
    }
    put_utf8(out, u);
  }
  void read_string(std::string* out) {
    if (current() != '"') wrong(name_of(json::string));
    ++at_;
    for (;;) {
      if (at_ >= text_.size()) wrong("'\"'");
      const char c = text_[at_];
      if (c == '"') break;
      if (static_cast<unsigned char>(c) < 0x20) wrong("no control character in a string");
      if (c == '\\') {
        ++at_;
        escape(out);
        continue;
      }
      const std::size_t n = utf8_length();
      if (out != nullptr) out->append(text_.substr(at_, n));
      at_ += n;
    }
    ++at_;
  }

  std::string_view text_;
  std::string source_;
  std::size_t at_ = 0;
  int depth_ = 0;
  bool fresh_ = false;  ///< an object or array was entered and nothing of it read
};

}  // namespace fauna::inline v0
