// Filters: `value | name(arguments)`.
#pragma once
#include <fauna/text/template/tests.hpp>
#include <fauna/text/template/to_json.hpp>

namespace fauna::inline v0::jinja {

inline Builtin const* find_filter(std::string_view name);
inline std::string filter_names();

namespace filters {

/// A value as text, and its method of the same name.
inline Value as_text(Context& c, Value v) { return v.is == kind::text ? v : c.text(written(c, v)); }
template <Value (*method)(Context&, Value, Arguments const&)> Value of_text(Context& c, Value v, Arguments const& a) {
  return method(c, as_text(c, v), a);
}
inline Value string(Context& c, Value v, Arguments const&) { return as_text(c, v); }
inline Value same(Context&, Value v, Arguments const&) { return v; }
/// A capital at the beginning of each word, which white space, - ( { [ and < part.
inline Value title(Context& c, Value v, Arguments const&) {
  bool begins = true;
  return c.text(changed(*as_text(c, v).text, [&begins](char32_t ch) {
    const bool big = begins;
    begins = is_space(ch) || std::u32string_view(U"-({[<").find(ch) != std::u32string_view::npos;
    return big ? upper_or_ss(ch) : lower(ch);
  }));
}
/// The lines of a text behind `width` blanks: not the first, nor those that are empty, unless asked for.
inline Value indent(Context& c, Value v, Arguments const& a) {
  std::string by = a[0].is == kind::text ? a[0].text->bytes : "";
  if (a[0].is != kind::text) {
    const std::int64_t width = whole_of(c, a[0], "width", 4);
    if (width > 1000) c.fail("a width of " + std::to_string(width), "1000 at most");
    by = std::string(static_cast<std::size_t>(std::max<std::int64_t>(width, 0)), ' ');
  }
  const Text t = *as_text(c, v).text;
  const bool first = flag_of(a[1], false), blank = flag_of(a[2], false);
  Text out;
  for (std::size_t at = 0, n = 0;; ++n) {
    const std::size_t end = std::min(t.bytes.find('\n', at), t.size());
    if (n == 0 ? first : (blank || end > at)) out.add(by);
    c.spend_bytes(by.size());
    out.add(t.part(at, std::min(end + 1, t.size())));
    if (end == t.size()) break;
    at = end + 1;
  }
  return c.text(std::move(out));
}
inline Value length(Context& c, Value v, Arguments const&) { return Value(size(c, v)); }
inline Value otherwise(Context& c, Value v, Arguments const& a) {
  const bool missing = v.is == kind::undefined || (flag_of(a[1], false) && !truth(v));
  return !missing ? v : absent(a[0]) ? c.text("") : a[0];
}
inline Value format(Context& c, Value v, Arguments const& a) {
  return formatted(c, text_of(c, v, "a format"), c.list(a.positional, shape::tuple), true);
}

/// What `attribute='a.b'` says of each item; the item without it.
inline Value attribute_of(Context& c, Value v, Value path, Value otherwise = {}) {
  if (absent(path) || path.is == kind::none) return v;
  if (path.whole_number()) return item(c, v, path);
  for (Text const& part : split(text_of(c, path, "an attribute"), ".", -1, false)) {
    std::int64_t n = 0;
    v = item(c, v, number_text::parse(part.bytes, n) ? Value(n) : c.text(part));
    if (v.is == kind::undefined && !absent(otherwise)) v = otherwise;
  }
  return v;
}
/// What is compared where case does not matter.
inline Value folded(Context& c, Value v, bool fold) { return fold && v.is == kind::text ? c.text(lower(*v.text)) : v; }

inline Value join(Context& c, Value v, Arguments const& a) {
  const Text between = absent(a[0]) ? Text{} : written(c, a[0]);
  Text out;
  bool first = true;
  for (const Value one : items(c, v)) {
    if (!first) out.add(between);
    first = false;
    const Text t = written(c, attribute_of(c, one, a[1]));
    c.spend_bytes(between.size() + t.size());
    out.add(t);
    c.require_room(out);
  }
  return c.text(std::move(out));
}
inline Value list(Context& c, Value v, Arguments const&) { return c.list(jinja::items(c, v)); }
inline Value items(Context& c, Value v, Arguments const&) {
  if (v.is == kind::undefined) return c.list({}, shape::generator);
  if (v.is != kind::dict) c.fail(std::string("the items of ") + name_of(v.is), "those of a dict");
  const Value all = methods::view<shape::items>(c, v, {});
  return c.list(all.list->items, shape::generator);
}
inline Value first(Context& c, Value v, Arguments const&) {
  const std::vector<Value> all = jinja::items(c, v);
  return all.empty() ? c.undefined("the first item of an empty sequence") : all.front();
}
inline Value last(Context& c, Value v, Arguments const&) {
  if (v.is == kind::list && v.list->as == shape::generator) c.fail("the last of a generator", "that of a list");
  const std::vector<Value> all = jinja::items(c, v);
  return all.empty() ? c.undefined("the last item of an empty sequence") : all.back();
}
inline Value reverse(Context& c, Value v, Arguments const&) {
  std::vector<Value> all = jinja::items(c, v);
  std::vector<Value> reversed(all.rbegin(), all.rend());
  if (v.is != kind::text) return c.list(std::move(reversed), shape::generator);
  Text out;
  for (const Value one : reversed) out.add(*one.text);
  return c.text(std::move(out));
}
inline Value sorted(Context& c, Value v, Arguments const& a) {
  std::vector<std::pair<std::vector<Value>, Value>> keyed;
  std::vector<Text> paths{Text{}};
  if (a[2].is == kind::text) paths = split(*a[2].text, ",", -1, false);
  for (const Value one : jinja::items(c, v)) {
    keyed.push_back({{}, one});
    for (Text const& p : paths)
      keyed.back().first.push_back(
          folded(c, attribute_of(c, one, a[2].is == kind::text ? c.text(p) : a[2]), !flag_of(a[1], false)));
  }
  const bool down = flag_of(a[0], false);
  sort(keyed, [&](auto const& x, auto const& y) {
    for (std::size_t i = 0; i < x.first.size(); ++i)
      if (!equal(c, x.first[i], y.first[i])) return (compare(c, x.first[i], y.first[i]) < 0) != down;
    return false;
  });
  std::vector<Value> all;
  all.reserve(keyed.size());
  for (auto const& [key, one] : keyed) all.push_back(one);
  return c.list(std::move(all));
}
inline Value dictsort(Context& c, Value v, Arguments const& a) {
  if (v.is != kind::dict) c.fail(std::string("dictsort of ") + name_of(v.is), "a dict");
  std::size_t by = 0;
  if (!absent(a[1])) {
    std::string const& name = text_of(c, a[1], "by").bytes;
    if (name != "key" && name != "value") c.fail("dictsort by " + name, "key or value");
    by = name == "value";
  }
  const bool fold = !flag_of(a[0], false), down = flag_of(a[2], false);
  std::vector<Value> all = methods::view<shape::items>(c, v, {}).list->items;
  sort(all, [&](Value x, Value y) {
    const int order = compare(c, folded(c, x.list->items[by], fold), folded(c, y.list->items[by], fold));
    return down ? order > 0 : order < 0;
  });
  return c.list(std::move(all));
}
inline Value unique(Context& c, Value v, Arguments const& a) {
  Dict seen;
  std::vector<Value> all;
  for (const Value one : jinja::items(c, v)) {
    const Value key = folded(c, attribute_of(c, one, a[1]), !flag_of(a[0], false));
    if (jinja::find(c, seen, key) != nullptr) continue;
    set(c, seen, key, one);
    all.push_back(one);
  }
  return c.list(std::move(all), shape::generator);
}
template <int sign> Value extreme(Context& c, Value v, Arguments const& a) {
  Value best, best_key;
  bool any = false;
  for (const Value one : jinja::items(c, v)) {
    const Value key = folded(c, attribute_of(c, one, a[1]), !flag_of(a[0], false));
    if (any && sign * compare(c, key, best_key) <= 0) continue;
    any = true;
    best = one;
    best_key = key;
  }
  return any ? best : c.undefined("the least or largest of an empty sequence");
}
inline Value sum(Context& c, Value v, Arguments const& a) {
  Value all = absent(a[1]) ? Value(std::int64_t{0}) : a[1];
  for (const Value one : jinja::items(c, v)) all = arithmetic(c, '+', all, attribute_of(c, one, a[0]));
  return all;
}

/// Arguments behind the first `n`.
inline Arguments behind(Arguments const& a, std::size_t n) {
  return {std::vector<Value>(a.positional.begin() + static_cast<std::ptrdiff_t>(std::min(n, a.positional.size())),
                             a.positional.end()),
          a.named};
}
/// map(attribute='a', default=...), or map('filter', arguments).
inline Value map(Context& c, Value v, Arguments const& a) {
  std::vector<Value> all;
  Value path, missing;
  for (auto const& [name, value] : a.named)
    if (name == "attribute") path = value;
    else if (name == "default") missing = value;
  if (!absent(path)) {
    if (!a.positional.empty()) c.fail("map with a filter and an attribute", "one of them");
    for (const Value one : jinja::items(c, v)) all.push_back(attribute_of(c, one, path, missing));
    return c.list(std::move(all), shape::generator);
  }
  std::string const& name = text_of(c, a[0], "the filter of map").bytes;
  Builtin const* filter = find_filter(name);
  if (filter == nullptr) c.fail("an unknown filter, " + name, "one of " + filter_names());
  for (const Value one : jinja::items(c, v)) all.push_back(run(c, *filter, one, behind(a, 1)));
  return c.list(std::move(all), shape::generator);
}
/// select('test', arguments), reject, and of an attribute selectattr('a', 'test', arguments), rejectattr. Without a
/// test: what is true.
template <bool wanted, bool of_attribute> Value select(Context& c, Value v, Arguments const& a) {
  if (of_attribute && a.positional.empty()) c.fail("no attribute", "its name");
  constexpr std::size_t at = of_attribute ? 1 : 0;
  Builtin const* test = nullptr;
  if (a.positional.size() > at) {
    std::string const& name = text_of(c, a[at], "the test").bytes;
    test = find_test(name);
    if (test == nullptr) c.fail("an unknown test, " + name, "one of " + test_names());
  }
  std::vector<Value> all;
  for (const Value one : jinja::items(c, v)) {
    const Value asked = of_attribute ? attribute_of(c, one, a[0]) : one;
    const bool is = test == nullptr ? truth(asked) : truth(run(c, *test, asked, behind(a, at + 1)));
    if (is == wanted) all.push_back(one);
  }
  return c.list(std::move(all), shape::generator);
}

/// The number that a text spells, between white space; false where it spells none.
template <class N> bool spelt(Text const& t, N& n) {
  std::string s = strip(t, 3).bytes;
  if (s.starts_with('+')) s.erase(0, 1);
  return number_text::parse(s, n);
}
inline Value integer(Context& c, Value v, Arguments const& a) {
  const Value otherwise = absent(a[0]) ? Value(std::int64_t{0}) : a[0];
  if (whole_of(c, a[1], "base", 10) != 10) c.fail("int with another base", "10");
  if (v.is == kind::undefined) refuse_undefined(c, v);
  double x = v.number() ? v.as_real() : 0;
  std::int64_t n = 0;
  if (v.whole_number()) return Value(v.as_whole());
  if (v.is == kind::text && spelt(*v.text, n)) return Value(n);
  if (v.is != kind::real && !(v.is == kind::text && spelt(*v.text, x))) return otherwise;
  return std::fabs(x) < 9e18 ? Value(static_cast<std::int64_t>(x)) : otherwise;
}
inline Value real(Context& c, Value v, Arguments const& a) {
  if (v.is == kind::undefined) refuse_undefined(c, v);
  double x = 0;
  if (v.number()) return Value(v.as_real());
  return v.is == kind::text && spelt(*v.text, x) ? Value(x) : absent(a[0]) ? Value(0.0) : a[0];
}
inline Value absolute(Context& c, Value v, Arguments const&) {
  if (!v.number()) c.fail(std::string("abs of ") + name_of(v.is), "a number");
  if (v.is == kind::real) return Value(std::fabs(v.real));
  return v.as_whole() < 0 ? arithmetic(c, '-', Value(std::int64_t{0}), v) : Value(v.as_whole());
}
/// round(precision, method): common (the nearest, of two the even one), ceil or floor.
inline Value rounded(Context& c, Value v, Arguments const& a) {
  if (!v.number()) c.fail(std::string("round of ") + name_of(v.is), "a number");
  const std::int64_t precision = whole_of(c, a[0], "precision", 0);
  const std::string method = absent(a[1]) ? "common" : text_of(c, a[1], "method").bytes;
  if (precision < 0 || precision > 100) c.fail("round to " + std::to_string(precision) + " digits", "0 to 100");
  if (method == "common") {
    if (v.whole_number()) return Value(v.as_whole());
    if (!std::isfinite(v.real)) return v;
    char s[512];
    std::snprintf(s, sizeof s, "%.*f", static_cast<int>(precision), v.real);
    return Value(std::strtod(s, nullptr));
  }
  if (method != "ceil" && method != "floor") c.fail("round with " + method, "common, ceil or floor");
  const double scale = std::pow(10.0, static_cast<double>(precision)), x = v.as_real() * scale;
  return Value((method == "ceil" ? std::ceil(x) : std::floor(x)) / scale);
}

inline constexpr std::array all = {
    Builtin{"abs", "", absolute},
    Builtin{"capitalize", "", of_text<methods::changed_by<capitalize>>},
    Builtin{"count", "", length},
    Builtin{"d", "| default_value boolean", otherwise},
    Builtin{"default", "| default_value boolean", otherwise},
    Builtin{"dictsort", "| case_sensitive by reverse", dictsort},
    Builtin{"first", "", first},
    Builtin{"float", "| default", real},
    Builtin{"format", nullptr, format},
    Builtin{"indent", "| width first blank", indent},
    Builtin{"int", "| default base", integer},
    Builtin{"items", "", items},
    Builtin{"join", "| d attribute", join},
    Builtin{"last", "", last},
    Builtin{"length", "", length},
    Builtin{"list", "", list},
    Builtin{"lower", "", of_text<methods::changed_by<lower>>},
    Builtin{"map", nullptr, map},
    Builtin{"max", "| case_sensitive attribute", extreme<1>},
    Builtin{"min", "| case_sensitive attribute", extreme<-1>},
    Builtin{"reject", nullptr, select<false, false>},
    Builtin{"rejectattr", nullptr, select<false, true>},
    Builtin{"replace", "old new | count", of_text<methods::replaced>},
    Builtin{"reverse", "", reverse},
    Builtin{"round", "| precision method", rounded},
    Builtin{"safe", "", same},
    Builtin{"select", nullptr, select<true, false>},
    Builtin{"selectattr", nullptr, select<true, true>},
    Builtin{"sort", "| reverse case_sensitive attribute", sorted},
    Builtin{"string", "", string},
    Builtin{"sum", "| attribute start", sum},
    Builtin{"title", "", title},
    Builtin{"tojson", "| ensure_ascii indent separators sort_keys", to_json},
    Builtin{"trim", "| chars", of_text<methods::stripped<3>>},
    Builtin{"unique", "| case_sensitive attribute", unique},
    Builtin{"upper", "", of_text<methods::changed_by<upper>>},
};

}  // namespace filters

inline Builtin const* find_filter(std::string_view name) { return find(filters::all, name); }
inline std::string filter_names() { return names(filters::all); }

}  // namespace fauna::inline v0::jinja
