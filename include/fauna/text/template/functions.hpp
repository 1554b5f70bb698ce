// Functions of every template: range, namespace, dict, and transformers' raise_exception and strftime_now.
#pragma once
#include <ctime>

#include <fauna/text/template/filters.hpp>

namespace fauna::inline v0::jinja {

inline void set_name(Context& c, Names& n, std::string_view name, Value v) {
  if (name.starts_with('_')) c.fail("the name " + std::string(name) + " in a namespace", "one without _ at its start");
  if (Value* have = n.find(name)) return void(*have = v);
  c.spend(1 + n.entries.size() / 8);
  n.entries.emplace_back(name, v);
}

namespace functions {

inline Value range(Context& c, Value, Arguments const& a) {
  const bool one = absent(a[1]);
  for (const Value v : a.positional)
    if (!absent(v) && !v.whole_number()) c.fail(std::string("range of ") + name_of(v.is), "whole numbers");
  const std::int64_t from = one ? 0 : a[0].as_whole(), to = one ? a[0].as_whole() : a[1].as_whole(),
                     step = absent(a[2]) ? 1 : a[2].as_whole();
  if (step == 0) c.fail("range with a step of 0", "another");
  std::vector<Value> all;
  for (std::int64_t i = from; step > 0 ? i < to : i > to;) {
    if (all.size() == 100000) c.fail("a range of more than 100,000 numbers", "fewer");  // as jinja2's sandbox
    all.emplace_back(i);
    if (__builtin_add_overflow(i, step, &i)) break;
  }
  return c.list(std::move(all), shape::range);
}
/// The arguments, of which the first may be a dict or a list of pairs.
template <class Set> void entries(Context& c, Arguments const& a, Set&& put) {
  if (a.positional.size() > 1) c.fail(std::to_string(a.positional.size()) + " arguments", "a dict, and named ones");
  if (!a.positional.empty() && a[0].is == kind::dict) {
    for (auto const& [key, v] : a[0].dict->entries) put(key, v);
  } else if (!a.positional.empty()) {
    for (const Value pair : items(c, a[0])) {
      const std::vector<Value> both = items(c, pair);
      if (both.size() != 2) c.fail(std::to_string(both.size()) + " values", "a key and its value");
      put(both[0], both[1]);
    }
  }
  for (auto const& [name, v] : a.named) put(c.text(name), v);
}
inline Value make_dict(Context& c, Value, Arguments const& a) {
  Dict* d = c.heap.dict();
  entries(c, a, [&](Value key, Value v) { set(c, *d, key, v); });
  return Value(d);
}
inline Value make_names(Context& c, Value, Arguments const& a) {
  Names* n = c.heap.names();
  entries(c, a, [&](Value key, Value v) { set_name(c, *n, text_of(c, key, "a name").bytes, v); });
  return Value(n);
}
[[noreturn]] inline Value raise(Context& c, Value, Arguments const& a) { c.fail(written(c, a[0]).bytes); }
/// The time of the rendering, as C's strftime writes it.
inline Value time(Context& c, Value, Arguments const& a) {
  std::string const& format = text_of(c, a[0], "a format").bytes;
  if (format.size() > 200 || format.find('\0') != std::string::npos)
    c.fail("a format of " + std::to_string(format.size()) + " bytes", "200 at most, none of them 0");
  for (std::size_t at = 0; (at = format.find('%', at)) != std::string::npos; at += 2) {
    if (at + 1 < format.size() && format[at + 1] == '-') ++at;
    if (at + 1 >= format.size() ||
        std::string_view("aAbBcdDeFgGhHIjklmMnprRsStTuUVwWxXyYzZ%").find(format[at + 1]) == std::string_view::npos)
      c.fail("a format " + format, "one of strftime", "such as %d %b %Y");
  }
  char s[4096];
  return c.text({s, format.empty() ? 0 : std::strftime(s, sizeof s, format.c_str(), &c.now)});
}

inline constexpr std::array all = {Builtin{"range", "start | stop step", range},
                                   Builtin{"namespace", nullptr, make_names}, Builtin{"dict", nullptr, make_dict},
                                   Builtin{"raise_exception", "message", raise},
                                   Builtin{"strftime_now", "format", time}};

}  // namespace functions

}  // namespace fauna::inline v0::jinja
