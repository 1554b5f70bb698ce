// Functions that templates can call, by name, with Python's ways to pass arguments.
#pragma once
#include <array>

#include <fauna/text/template/operations.hpp>

namespace fauna::inline v0::jinja {

/// A filter, a test, a method or a global function. `parameters` are names with spaces between them, those behind a |
/// may be left out; where it is null, `run` gets the arguments as they were written.
struct Builtin {
  std::string_view name;
  const char* parameters;
  Value (*run)(Context&, Value self, Arguments const&);
};

template <std::size_t N> Builtin const* find(std::array<Builtin, N> const& all, std::string_view name) {
  for (Builtin const& b : all)
    if (b.name == name) return &b;
  return nullptr;
}
template <std::size_t N> std::string names(std::array<Builtin, N> const& all) {
  std::string s;
  for (Builtin const& b : all) (s += s.empty() ? "" : ", ") += b.name;
  return s;
}

/// Was no argument given?
inline bool absent(Value v) { return v.is == kind::undefined && v.text == nullptr; }

/// Arguments in the order of the parameters, Value() for those that are absent.
inline Arguments bound(Context& c, Builtin const& b, Arguments const& given) {
  if (b.parameters == nullptr) return given;
  std::vector<std::string_view> names;
  std::size_t needed = 0;
  bool optional = false;
  for (std::string_view rest = b.parameters; !rest.empty();) {
    const std::size_t end = rest.find(' ');
    const std::string_view name = rest.substr(0, end);
    if (name == "|") optional = true;
    else names.push_back(name), needed += !optional;
    rest = end == rest.npos ? "" : rest.substr(end + 1);
  }
  Arguments all;
  all.positional = given.positional;
  if (all.positional.size() > names.size())
    c.fail(std::string(b.name) + " with " + std::to_string(all.positional.size()) + " arguments",
           "at most " + std::to_string(names.size()));
  all.positional.resize(names.size());
  for (auto const& [name, value] : given.named) {
    std::size_t i = 0;
    while (i < names.size() && names[i] != name) ++i;
    if (i == names.size() || i < given.positional.size())
      c.fail(std::string(b.name) + " with the argument " + std::string(name),
             i == names.size() ? "one of: " + std::string(b.parameters) : "it once");
    all.positional[i] = value;
  }
  for (std::size_t i = 0; i < needed; ++i)
    if (absent(all.positional[i])) c.fail(std::string(b.name) + " without " + std::string(names[i]), "it");
  return all;
}
inline Value run(Context& c, Builtin const& b, Value self, Arguments const& given) {
  c.spend(1);
  return b.run(c, self, bound(c, b, given));
}

// Arguments of one kind.
inline Text const& text_of(Context const& c, Value v, const char* what) {
  if (v.is == kind::undefined) refuse_undefined(c, v);
  if (v.is != kind::text) c.fail(std::string(what) + " is " + name_of(v.is), "a string");
  return *v.text;
}
inline std::int64_t whole_of(Context const& c, Value v, const char* what, std::int64_t otherwise) {
  if (absent(v) || v.is == kind::none) return otherwise;
  if (!v.whole_number()) c.fail(std::string(what) + " is " + name_of(v.is), "an integer");
  return v.as_whole();
}
inline bool flag_of(Value v, bool otherwise) { return absent(v) ? otherwise : truth(v); }

}  // namespace fauna::inline v0::jinja
