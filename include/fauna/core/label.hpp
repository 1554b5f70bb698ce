// Names. A label is a name inside a type; a path is where a call or a tensor stands in the model.
#pragma once
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include <fauna/core/version.hpp>

namespace fauna::inline v0 {

/// A fixed-size string usable as a template argument: At<"attn", ...>. Fixed, because nvcc silently fails to match
/// partial specialisations over a label whose size is itself a template argument.
struct label {
  char c[48]{};
  template <std::size_t N> constexpr label(const char (&s)[N]) {
    static_assert(N <= 48, "fauna: a label has at most 47 characters");
    for (std::size_t i = 0; i < N; ++i) c[i] = s[i];
  }
  constexpr bool operator==(label const&) const = default;
  constexpr std::string_view view() const { return {c}; }
};

/// A letter for each of a round of layers, usable in a template argument: "mmmammmm". The round repeats.
struct letters {
  char c[128]{};
  template <std::size_t N> constexpr letters(const char (&s)[N]) {
    static_assert(N >= 2 && N <= 128, "fauna: a round has 1 to 127 layers");
    for (std::size_t i = 0; i < N; ++i) c[i] = s[i];
  }
  /// Of 1 to 127 letters.
  constexpr explicit letters(std::string_view s) {
    for (std::size_t i = 0; i < s.size() && i + 1 < sizeof c; ++i) c[i] = s[i];
  }
  constexpr bool operator==(letters const&) const = default;
  constexpr std::string_view view() const { return {c}; }
  constexpr int round() const { return static_cast<int>(view().size()); }
  constexpr char of(int layer) const { return c[layer % round()]; }
};

/// FNV-1a, going on from `h`.
constexpr std::uint64_t text_hash(std::string_view text, std::uint64_t h = 0xcbf29ce484222325) {
  for (const char c : text) h = (h ^ static_cast<unsigned char>(c)) * 0x100000001b3;
  return h;
}

/// A list of names from the inside out, living on the stack of whoever walks the model: nothing is built until asked
/// for.
struct Path {
  const Path* parent = nullptr;
  const char* text = nullptr;  ///< a name, or null for a layer's index
  int index = -1;

  /// "transformer.h.0.attn"
  std::string str() const {
    std::string s = parent ? parent->str() : std::string();
    if (text == nullptr && index < 0) return s;
    if (!s.empty()) s += '.';
    return s + (text ? std::string(text) : std::to_string(index));
  }
  /// Of the same parts, without building them.
  constexpr std::uint64_t hash() const {
    const std::uint64_t outer = parent ? parent->hash() : text_hash({});
    if (text != nullptr) return text_hash(text, text_hash(".", outer));
    return index < 0 ? outer : (outer ^ static_cast<std::uint64_t>(index)) * 0x100000001b3;
  }
};

/// Does a name match a pattern in which * stands for anything?
constexpr bool matches(std::string_view pattern, std::string_view name) {
  if (pattern.empty()) return name.empty();
  if (pattern[0] == '*') return matches(pattern.substr(1), name) || (!name.empty() && matches(pattern, name.substr(1)));
  return !name.empty() && pattern[0] == name[0] && matches(pattern.substr(1), name.substr(1));
}

}  // namespace fauna::inline v0
