// Strings of templates: UTF-8 that knows, byte by byte, who wrote it; and what Python's str does with characters.
#pragma once
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include <fauna/text/unicode.hpp>
#include <fauna/text/utf8.hpp>

namespace fauna::inline v0::jinja {

/// What is known of a byte, as bits.
enum mark : char { own = 0, foreign = 1, generated = 2 };

/// A string and the marks of its bytes. `marks` is empty where none has one, else as long as `bytes`. What is cut out
/// of a text, or joined to others, keeps its marks.
struct Text {
  std::string bytes{}, marks{};

  std::size_t size() const { return bytes.size(); }
  char mark_at(std::size_t i) const { return marks.empty() ? char{own} : marks[i]; }
  void add(std::string_view more, char with = own) {
    if (with != own || !marks.empty()) {
      marks.resize(bytes.size(), own);
      marks.append(more.size(), with);
    }
    bytes += more;
  }
  void add(Text const& t) {
    if (!t.marks.empty() || !marks.empty()) {
      marks.resize(bytes.size(), own);
      marks += t.marks;
      marks.resize(bytes.size() + t.bytes.size(), own);
    }
    bytes += t.bytes;
  }
  Text part(std::size_t from, std::size_t to) const {
    return {bytes.substr(from, to - from), marks.empty() ? "" : marks.substr(from, to - from)};
  }
  void set(char bit) {
    marks.resize(bytes.size(), own);
    for (char& m : marks) m = static_cast<char>(m | bit);
  }
};

/// Characters, which is what Python counts.
inline std::size_t length(std::string_view s) {
  std::size_t n = 0;
  for (const char c : s) n += (static_cast<unsigned char>(c) & 0xc0U) != 0x80U;
  return n;
}
/// Where each character starts, and the end.
inline std::vector<std::size_t> starts(std::string_view s) {
  std::vector<std::size_t> all;
  for (std::size_t i = 0; i < s.size(); ++i)
    if ((static_cast<unsigned char>(s[i]) & 0xc0U) != 0x80U) all.push_back(i);
  all.push_back(s.size());
  return all;
}

/// str.isspace of one character.
inline bool is_space(char32_t c) {
  return (c >= 0x9 && c <= 0xd) || (c >= 0x1c && c <= 0x20) || c == 0x85 || c == 0xa0 || c == 0x1680 ||
         (c >= 0x2000 && c <= 0x200a) || c == 0x2028 || c == 0x2029 || c == 0x202f || c == 0x205f || c == 0x3000;
}

/// Capital letters first to last, each `step`-th, and how far their small ones lie behind them. These are the alphabets
/// of Latin, Greek, Cyrillic and Armenian; other scripts stay as they are.
struct Alphabet {
  char32_t first, last;
  std::uint32_t step, distance;
};
inline constexpr Alphabet alphabets[] = {
    {0x41, 0x5a, 1, 32},   {0xc0, 0xd6, 1, 32},    {0xd8, 0xde, 1, 32},   {0x100, 0x12e, 2, 1},  {0x132, 0x136, 2, 1},
    {0x139, 0x147, 2, 1},  {0x14a, 0x176, 2, 1},   {0x179, 0x17d, 2, 1},  {0x386, 0x386, 1, 38}, {0x388, 0x38a, 1, 37},
    {0x38c, 0x38c, 1, 64}, {0x38e, 0x38f, 1, 63},  {0x391, 0x3a1, 1, 32}, {0x3a3, 0x3ab, 1, 32}, {0x400, 0x40f, 1, 80},
    {0x410, 0x42f, 1, 32}, {0x460, 0x480, 2, 1},   {0x48a, 0x4be, 2, 1},  {0x4c1, 0x4cd, 2, 1},  {0x4d0, 0x52e, 2, 1},
    {0x531, 0x556, 1, 48}, {0x1e00, 0x1e94, 2, 1}, {0x1ea0, 0x1efe, 2, 1}};

inline char32_t lower(char32_t c) {
  if (c == 0x178) return 0xff;
  for (Alphabet const& a : alphabets)
    if (c >= a.first && c <= a.last && (c - a.first) % a.step == 0) return c + a.distance;
  return c;
}
inline char32_t upper(char32_t c) {
  if (c == 0xff) return 0x178;
  if (c == 0xb5) return 0x39c;
  if (c == 0x3c2) return 0x3a3;
  for (Alphabet const& a : alphabets)
    if (c >= a.first + a.distance && c <= a.last + a.distance && (c - a.first - a.distance) % a.step == 0)
      return c - a.distance;
  return c;
}
inline bool cased(char32_t c) { return lower(c) != c || upper(c) != c || c == 0xdf; }

/// A text with `change(character)` in place of each.
template <class F> Text changed(Text const& t, F&& change) {
  Text out;
  for (std::size_t at = 0; at < t.size();) {
    const char with = t.mark_at(at);
    const char32_t before = next_code_point(t.bytes, at), after = change(before);
    std::string c;
    append_code_point(c, after);
    if (before == 0xdf && after == U'S') c = "SS";
    out.add(c, with);
  }
  return out;
}
inline char32_t upper_or_ss(char32_t c) { return c == 0xdf ? U'S' : upper(c); }
inline Text upper(Text const& t) { return changed(t, upper_or_ss); }
inline Text lower(Text const& t) {
  return changed(t, [](char32_t c) { return lower(c); });
}
/// str.capitalize
inline Text capitalize(Text const& t) {
  bool first = true;
  return changed(t, [&first](char32_t c) {
    const bool big = first;
    first = false;
    return big ? upper(c) : lower(c);
  });
}
/// str.title: a capital after every character without case.
inline Text title(Text const& t) {
  bool inside = false;
  return changed(t, [&inside](char32_t c) {
    const bool small = inside;
    inside = cased(c);
    return small ? lower(c) : upper(c);
  });
}

/// str.strip, with sides as bits: 1 left, 2 right. Without `chars`, white space.
inline Text strip(Text const& t, int sides, std::string_view const* chars = nullptr) {
  const auto goes = [&](std::size_t from, std::size_t to) {
    if (chars != nullptr) {
      for (std::size_t at = 0; at < chars->size();) {
        const std::size_t begin = at;
        next_code_point(*chars, at);
        if (chars->substr(begin, at - begin) == std::string_view(t.bytes).substr(from, to - from)) return true;
      }
      return false;
    }
    std::size_t at = from;
    return is_space(next_code_point(t.bytes, at));
  };
  std::size_t from = 0, to = t.size();
  while ((sides & 1) != 0 && from < to) {
    std::size_t next = from;
    next_code_point(t.bytes, next);
    if (!goes(from, next)) break;
    from = next;
  }
  while ((sides & 2) != 0 && to > from) {
    const std::size_t before = previous_code_point(t.bytes, to);
    if (!goes(before, to)) break;
    to = before;
  }
  return t.part(from, to);
}

/// str.replace; `most` below 0: all.
inline Text replace(Text const& t, std::string_view from, Text const& to, std::int64_t most) {
  Text out;
  std::size_t done = 0;
  for (std::size_t at = 0; most != 0;) {
    at = t.bytes.find(from, at);
    if (at == std::string::npos) break;
    out.add(t.part(done, at));
    out.add(to);
    done = at + from.size();
    --most;
    if (!from.empty()) {
      at = done;
      continue;
    }
    if (at == t.size()) break;  // an empty text lies before every character, and at the end
    next_code_point(t.bytes, at);
  }
  out.add(t.part(done, t.size()));
  return out;
}

/// The next white space in [from, to) of a text, or the last: where it begins and ends; `to` and `to` without one.
struct Gap {
  std::size_t begin, end;
};
inline Gap gap(std::string_view s, std::size_t from, std::size_t to, bool last) {
  for (std::size_t at = last ? to : from; last ? at > from : at < to;) {
    const std::size_t begin = last ? previous_code_point(s, at) : at;
    std::size_t end = begin;
    if (is_space(next_code_point(s, end))) return {begin, end};
    at = last ? begin : end;
  }
  return {to, to};
}
/// str.split and rsplit. An empty `separator` is white space, of which any amount separates and none begins or ends.
inline std::vector<Text> split(Text const& t, std::string_view separator, std::int64_t most, bool from_right) {
  const std::string_view s = t.bytes;
  const bool spaces = separator.empty();
  std::vector<Text> all;
  std::size_t from = 0, to = s.size();
  for (;; --most) {
    while (spaces && from < to) {  // at the end that is gone on from
      const Gap g = gap(s, from, to, from_right);
      if (g.begin == to || (from_right ? g.end != to : g.begin != from)) break;
      (from_right ? to : from) = from_right ? g.begin : g.end;
    }
    if (most == 0) break;
    Gap g{std::string::npos, 0};
    if (spaces) {
      g = gap(s, from, to, from_right);
      if (g.begin == to) break;
    } else {
      const std::size_t at = from_right ? s.substr(0, to).rfind(separator) : s.find(separator, from);
      if (at == std::string::npos) break;
      g = {at, at + separator.size()};
    }
    all.push_back(from_right ? t.part(g.end, to) : t.part(from, g.begin));
    (from_right ? to : from) = from_right ? g.begin : g.end;
  }
  if (!spaces || from < to) all.push_back(t.part(from, to));
  if (from_right) return {all.rbegin(), all.rend()};
  return all;
}

}  // namespace fauna::inline v0::jinja
