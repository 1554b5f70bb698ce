// Normalization form C: of the ways to write a character and its marks, always the same one, composed where there is a
// character for it. "e" and U+0301 become "é".
//   The Unicode Standard, section 3.11 and, for Hangul, 3.12; Unicode Standard Annex #15
// The version of Unicode is that of text/nfc_tables.hpp. A code point that is not assigned there stands for itself and
// keeps its place. The reference tokenizer (the `tokenizers` package, 0.23) still has Unicode 9: it leaves alone the
// one composition (U+11938) and the order of the 98 marks that are newer.
#pragma once
#include <string>
#include <string_view>
#include <vector>

#include <fauna/text/nfc_tables.hpp>
#include <fauna/text/utf8.hpp>

namespace fauna::inline v0 {

namespace normalize {

/// A character and its combining class.
struct Mark {
  char32_t c;
  std::uint32_t combining;
};

/// Hangul syllables by arithmetic: 19 leading consonants, 21 vowels, 27 trailing consonants or none.
inline constexpr char32_t syllables = 0xac00, leads = 0x1100, vowels = 0x1161, trails = 0x11a7;
inline constexpr char32_t lead_count = 19, vowel_count = 21, trail_count = 28;
inline constexpr char32_t syllable_count = lead_count * vowel_count * trail_count;

/// Appends the full canonical decomposition of a character.
inline void decompose(char32_t c, std::vector<Mark>& out) {
  if (c >= syllables && c < syllables + syllable_count) {
    const char32_t i = c - syllables, trail = i % trail_count;
    out.push_back({leads + i / trail_count / vowel_count, 0});
    out.push_back({vowels + i / trail_count % vowel_count, 0});
    if (trail != 0) out.push_back({trails + trail, 0});
    return;
  }
  constexpr std::size_t n = std::size(decompositions);
  const std::size_t i = count_below(n, [&](std::size_t k) { return decompositions[k][0] < c; });
  if (i == n || decompositions[i][0] != c) {
    const std::uint32_t combining = classes[c];
    out.push_back({c, combining == 255 ? 0 : combining});
    return;
  }
  decompose(decompositions[i][1], out);
  if (decompositions[i][2] != 0) decompose(decompositions[i][2], out);
}

/// The character that these two compose to, or 0.
inline char32_t composed(char32_t first, char32_t second) {
  if (first >= leads && first < leads + lead_count && second >= vowels && second < vowels + vowel_count)
    return syllables + ((first - leads) * vowel_count + (second - vowels)) * trail_count;
  if (first >= syllables && first < syllables + syllable_count && (first - syllables) % trail_count == 0 &&
      second > trails && second < trails + trail_count)
    return first + (second - trails);
  constexpr std::size_t n = std::size(compositions);
  const std::size_t i = count_below(n, [&](std::size_t k) {
    auto const& row = decompositions[compositions[k]];
    return row[1] < first || (row[1] == first && row[2] < second);
  });
  if (i == n) return 0;
  auto const& row = decompositions[compositions[i]];
  return row[1] == first && row[2] == second ? row[0] : 0;
}

/// Canonical order: each row of marks (combining class not 0) ascends in it, those of one class as they stood. A pass
/// for each class that there is: no text takes a time that grows with the square of its length.
inline void order(std::vector<Mark>& text) {
  std::vector<Mark> row;
  for (std::size_t begin = 0, end; begin < text.size(); begin = end + 1) {
    bool ordered = true;
    for (end = begin; end < text.size() && text[end].combining != 0; ++end)
      ordered = ordered && (end == begin || text[end - 1].combining <= text[end].combining);
    if (ordered) continue;
    row.assign(text.begin() + static_cast<std::ptrdiff_t>(begin), text.begin() + static_cast<std::ptrdiff_t>(end));
    std::uint32_t least = 1;
    for (std::size_t at = begin; at < end;) {
      std::uint32_t next = 255;
      for (Mark const& m : row) {
        if (m.combining == least) text[at++] = m;
        else if (m.combining > least && m.combining < next) next = m.combining;
      }
      least = next;
    }
  }
}

/// Canonical composition, in place: each character with the last one of class 0 before it, unless one between them has
/// its class, or a class 0.
inline void compose(std::vector<Mark>& text) {
  std::size_t kept = 0, starter = text.size();  // none yet
  for (const Mark m : text) {
    if (starter < kept && (starter + 1 == kept || text[kept - 1].combining < m.combining))
      if (const char32_t both = composed(text[starter].c, m.c); both != 0) {
        text[starter].c = both;
        continue;
      }
    if (m.combining == 0) starter = kept;
    text[kept++] = m;
  }
  text.resize(kept);
}

}  // namespace normalize

/// Where, from byte `at` on, what may not be in form C begins; the size of the text where all of it surely is. The text
/// must be valid UTF-8.
inline std::size_t nfc_prefix(std::string_view text, std::size_t at = 0) {
  for (const std::size_t from = at; (at = skip_ascii(text, at)) < text.size();) {
    if (static_cast<unsigned char>(text[at]) < 0xcc) {  // of a character below U+0300, or not the first byte of one
      ++at;
      continue;
    }
    const std::size_t begin = at;
    if (normalize::classes[next_code_point(text, at)] != 0)
      return begin > from ? previous_code_point(text, begin) : begin;  // what it may compose with comes along
  }
  return at;
}

/// A text in normalization form C. It must be valid UTF-8.
inline std::string nfc(std::string_view text) {
  std::string out;
  out.reserve(text.size());
  std::vector<normalize::Mark> together;  // a character, and all behind it that may change with it
  for (std::size_t at = 0; at < text.size();) {
    const std::size_t begin = nfc_prefix(text, at);
    out.append(text.substr(at, begin - at));
    at = begin;
    together.clear();
    while (at < text.size()) {
      std::size_t end = at;
      const char32_t c = next_code_point(text, end);
      if (!together.empty() && normalize::classes[c] == 0) break;
      normalize::decompose(c, together);
      at = end;
    }
    normalize::order(together);
    normalize::compose(together);
    for (normalize::Mark const& m : together) append_code_point(out, m.c);
  }
  return out;
}

}  // namespace fauna::inline v0
