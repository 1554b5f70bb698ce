// A model's config as a line of text, as checkpoints keep it, and as the C++ type that it stands for:
//   gpt layers=4 heads=4 width=128 context=64 vocab=65 bias=false dropout=0.1 act=gelu
//   fauna::Gpt<fauna::GptConfig{.layers = 4, .heads = 4, .width = 128, .context = 64, .vocab = 65, .bias = false, ...}>
#pragma once
#include <concepts>
#include <string>
#include <type_traits>
#include <vector>

#include <fauna/core/activation.hpp>
#include <fauna/core/error.hpp>
#include <fauna/core/number_text.hpp>
#include <fauna/models/lm.hpp>
#include <fauna/ops/rope/op.hpp>

namespace fauna::inline v0 {

/// A config that has `names` and `each` (models/lm.hpp).
template <class C>
concept NamedConfig = requires {
  { C::names.family } -> std::convertible_to<const char*>;
};

namespace config_detail {

template <class E> struct Enumerators;
template <> struct Enumerators<activation> {
  static constexpr const char* type = "fauna::activation::";
  static constexpr auto last = activation::relu_squared;
};
template <> struct Enumerators<rope_scaling> {
  static constexpr const char* type = "fauna::rope_scaling::";
  static constexpr auto last = rope_scaling::longrope;
};

inline std::string value(bool v) { return v ? "true" : "false"; }
inline std::string value(letters const& v) { return std::string(v.view()); }
template <class V> std::string value(V v) {
  if constexpr (std::is_enum_v<V>) return name_of(v);
  else return number_text::of(v);
}
inline bool parse(std::string const& s, bool& v) {
  v = s == "true";
  return v || s == "false";
}
inline bool parse(std::string const& s, letters& v) {
  if (s.empty() || s.size() >= sizeof v.c) return false;
  v = letters(s);
  return true;
}
template <class V> bool parse(std::string const& s, V& v) {
  if constexpr (std::is_enum_v<V>) {
    for (int i = 0; i <= static_cast<int>(Enumerators<V>::last); ++i)
      if (v = static_cast<V>(i); s == name_of(v)) return true;
    return false;
  } else {
    const V usual = v;
    if (!number_text::parse(s, v)) return false;
    if constexpr (std::is_integral_v<V>) return v > 0 || (v == 0 && usual == 0);  // 0 where it means: none
    else return v - v == 0;
  }
}

/// The numbers of a list but for the zeros at its end.
template <class V, std::size_t N, class F> std::string list(V const (&v)[N], const char* between, F&& text) {
  std::size_t n = N;
  while (n > 0 && v[n - 1] == V{}) --n;
  std::string s;
  for (std::size_t i = 0; i < n; ++i) s += (i == 0 ? "" : between) + text(v[i]);
  return s;
}
template <class V, std::size_t N> std::string value(V const (&v)[N]) {
  return list(v, ",", [](V x) { return value(x); });
}
template <class V, std::size_t N> bool parse(std::string const& s, V (&v)[N]) {
  std::size_t at = 0;
  for (V& x : v) {
    x = V{};
    if (at >= s.size()) continue;
    const std::size_t comma = s.find(',', at), end = comma == std::string::npos ? s.size() : comma;
    if (!parse(s.substr(at, end - at), x)) return false;
    at = end + 1;
  }
  return at >= s.size();
}

/// What came to a config when there were checkpoints already: their lines are without it, and so are others where it is
/// as by default.
template <class C>
concept HasLater = requires(C& c) {
  C::later(c, [](const char*, auto&) {});
};

/// A member that is a config itself.
template <class V> inline constexpr bool is_config = std::is_class_v<V> && !std::is_same_v<V, letters>;

/// Calls f(name, member, null; of what came later, its text by default) for members that are no configs
/// themselves; those inside one are called "outer.inner".
template <class C, class F> void members(C& c, F&& f, std::string const& outer = {}) {
  C::each(c, [&](const char* name, auto& v) {
    if constexpr (is_config<std::remove_cvref_t<decltype(v)>>) members(v, f, outer + name + '.');
    else f(outer + name, v, static_cast<std::string const*>(nullptr));
  });
  if constexpr (HasLater<C>) {
    std::vector<std::string> usual;
    std::remove_const_t<C> fresh{};
    C::later(fresh, [&](const char*, auto& v) { usual.push_back(value(v)); });
    std::size_t i = 0;
    C::later(c, [&](const char* name, auto& v) { f(outer + name, v, &usual[i++]); });
  }
}

template <class C> std::string initialiser(C const& c);
/// A value as source text.
template <class V> std::string source(V const& v) {
  if constexpr (is_config<V>) return initialiser(v);
  else if constexpr (std::is_class_v<V>) return '"' + value(v) + '"';
  else if constexpr (std::is_enum_v<V>) return Enumerators<V>::type + value(v);
  else if constexpr (std::is_array_v<V>) return '{' + list(v, ", ", [](auto x) { return source(x); }) + '}';
  else if constexpr (std::is_floating_point_v<V>) {
    // 500000, not 5e+05
    std::string s =
        v >= 1 && v < 1e9 && v == static_cast<V>(static_cast<int>(v)) ? value(static_cast<int>(v)) : value(v);
    if (s.find_first_of(".e") == std::string::npos) s += ".0";
    return std::is_same_v<V, float> ? s + 'F' : s;
  } else return value(v);
}
/// "{.layers = 4, .bias = false}": whole numbers, and all else that is not as it is by default.
template <class C> std::string initialiser(C const& c) {
  if constexpr (requires { C::each_part(c, [](auto&) {}); }) {
    std::string s;
    C::each_part(c, [&s](auto& part) { s += (s.empty() ? "" : ", ") + initialiser(part); });
    return '{' + s + '}';
  }
  const C usual{};
  std::vector<std::string> defaults;
  const auto every = [](C const& of, auto&& f) {
    C::each(of, f);
    if constexpr (HasLater<C const>) C::later(of, f);
  };
  every(usual, [&](const char*, auto& v) { defaults.push_back(source(v)); });
  std::string s;
  std::size_t i = 0;
  every(c, [&](const char* name, auto& v) {
    const std::string text = source(v);
    if (std::is_same_v<decltype(v), int const&> || text != defaults[i])
      s += (s.empty() ? "." : ", .") + std::string(name) + " = " + text;
    ++i;
  });
  return '{' + s + '}';
}

}  // namespace config_detail

/// The config as a line: its family, and NAME=VALUE for every member.
template <NamedConfig C> std::string to_text(C const& c) {
  std::string line = C::names.family;
  config_detail::members(c, [&](std::string const& name, auto& v, std::string const* usual) {
    const std::string text = config_detail::value(v);
    if (usual == nullptr || text != *usual) line += ' ' + name + '=' + text;
  });
  return line;
}

/// The config that a line of to_text stands for. Throws on any other line.
template <NamedConfig C> C config_from(std::string const& line) {
  C c;
  std::size_t at = 0;
  const auto word = [&] {
    const std::size_t from = at < line.size() ? at : line.size(), end = line.find(' ', from);
    at = end == std::string::npos ? line.size() : end + 1;
    return line.substr(from, end - from);
  };
  bool good = word() == C::names.family;
  config_detail::members(c, [&](std::string const& name, auto& v, std::string const* usual) {
    if (usual != nullptr && line.compare(at < line.size() ? at : line.size(), name.size() + 1, name + '=') != 0) return;
    const std::string pair = word();
    good = good && pair.starts_with(name + '=') && config_detail::parse(pair.substr(name.size() + 1), v);
  });
  if (!good || to_text(c) != line) fail("model", "the description '" + line + '\'', "a line such as " + to_text(C{}));
  return c;
}

/// The model's C++ type; its header is C::names.header.
template <NamedConfig C> std::string cpp_type(C const& c) {
  return std::string(C::names.model) + '<' + C::names.type + config_detail::initialiser(c) + '>';
}

}  // namespace fauna::inline v0
