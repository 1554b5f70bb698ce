// Methods of strings, lists, dicts and loops, and how attributes and items are found. What would change a list or a
// dict is not there: templates may not.
#pragma once
#include <fauna/text/template/numbers.hpp>

namespace fauna::inline v0::jinja {

namespace methods {

template <int sides> Value stripped(Context& c, Value self, Arguments const& a) {
  if (absent(a[0]) || a[0].is == kind::none) return c.text(strip(*self.text, sides));
  const std::string_view chars = text_of(c, a[0], "what is stripped").bytes;
  c.spend(self.text->size() * (1 + chars.size()) / 64);
  return c.text(strip(*self.text, sides, &chars));
}
template <bool right> Value cut(Context& c, Value self, Arguments const& a) {
  std::string_view separator;
  if (!absent(a[0]) && a[0].is != kind::none) {
    separator = text_of(c, a[0], "a separator").bytes;
    if (separator.empty()) c.fail("an empty separator", "a string");
  }
  std::vector<Value> parts;
  for (Text& t : split(*self.text, separator, whole_of(c, a[1], "maxsplit", -1), right))
    parts.push_back(c.text(std::move(t)));
  return c.list(std::move(parts));
}
inline Value lines(Context& c, Value self, Arguments const& a) {
  Text const& t = *self.text;
  std::vector<Value> all;
  for (std::size_t from = 0; from < t.size();) {
    std::size_t at = from, end = from;
    while (at < t.size()) {  // str.splitlines
      end = at;
      const char32_t ch = next_code_point(t.bytes, at);
      if (ch == 0x85 || ch == 0x2028 || ch == 0x2029 || (ch >= 0xa && ch <= 0xd) || (ch >= 0x1c && ch <= 0x1e)) {
        if (ch == U'\r' && at < t.size() && t.bytes[at] == '\n') ++at;
        break;
      }
      end = at;
    }
    all.push_back(c.text(t.part(from, flag_of(a[0], false) ? at : end)));
    from = at;
  }
  return c.list(std::move(all));
}
template <bool start> Value begins(Context& c, Value self, Arguments const& a) {
  const auto one = [&](Value v) {
    std::string const& what = text_of(c, v, "a prefix or suffix").bytes;
    return start ? self.text->bytes.starts_with(what) : self.text->bytes.ends_with(what);
  };
  if (a[0].is != kind::list || a[0].list->as != shape::tuple) return Value(one(a[0]));
  for (const Value v : a[0].list->items)
    if (one(v)) return Value(true);
  return Value(false);
}
template <bool start> Value removed(Context& c, Value self, Arguments const& a) {
  std::string const& what = text_of(c, a[0], "a prefix or suffix").bytes;
  Text const& t = *self.text;
  if (!(start ? t.bytes.starts_with(what) : t.bytes.ends_with(what))) return self;
  return c.text(start ? t.part(what.size(), t.size()) : t.part(0, t.size() - what.size()));
}
template <Text (*change)(Text const&)> Value changed_by(Context& c, Value self, Arguments const&) {
  return c.text(change(*self.text));
}
inline Value replaced(Context& c, Value self, Arguments const& a) {
  Text const &from = text_of(c, a[0], "what is replaced"), &to = text_of(c, a[1], "what replaces");
  const std::size_t most = from.size() == 0 ? self.text->size() + 1 : self.text->size() / from.size();
  c.spend(1 + self.text->size() / 64 + most * to.size() / 64);
  return c.text(replace(*self.text, from.bytes, to, whole_of(c, a[2], "count", -1)));
}
/// The character at which a text lies in another, or -1.
template <bool right, bool must> Value found(Context& c, Value self, Arguments const& a) {
  std::string const& what = text_of(c, a[0], "what is sought").bytes;
  c.spend_bytes(self.text->size());
  const std::size_t at = right ? self.text->bytes.rfind(what) : self.text->bytes.find(what);
  if (at != std::string::npos)
    return Value(static_cast<std::int64_t>(length(std::string_view(self.text->bytes).substr(0, at))));
  if (must) c.fail("a text that is not in the other", "one that is");
  return Value(std::int64_t{-1});
}
inline Value counted(Context& c, Value self, Arguments const& a) {
  std::int64_t n = 0;
  if (self.is == kind::list) {
    for (const Value v : self.list->items) n += equal(c, v, a[0]);
    return Value(n);
  }
  std::string const& what = text_of(c, a[0], "what is counted").bytes;
  c.spend_bytes(self.text->size());
  if (what.empty()) return Value(static_cast<std::int64_t>(length(self.text->bytes)) + 1);
  for (std::size_t at = 0; (at = self.text->bytes.find(what, at)) != std::string::npos; at += what.size()) ++n;
  return Value(n);
}
inline Value joined(Context& c, Value self, Arguments const& a) {
  Text out;
  bool first = true;
  for (const Value v : items(c, a[0])) {
    if (!first) out.add(*self.text);
    first = false;
    c.spend_bytes(self.text->size());
    out.add(text_of(c, v, "what is joined"));
    c.require_room(out);
  }
  return c.text(std::move(out));
}
inline bool is_digit(char32_t c) { return c >= U'0' && c <= U'9'; }
inline bool is_alpha(char32_t c) { return class_of(c) == char_class::letter; }
inline bool is_alnum(char32_t c) { return is_digit(c) || is_alpha(c) || class_of(c) == char_class::number; }
template <bool (*is)(char32_t)> Value all_are(Context& c, Value self, Arguments const&) {
  c.spend_bytes(self.text->size());
  for (std::size_t at = 0; at < self.text->size();)
    if (!is(next_code_point(self.text->bytes, at))) return Value(false);
  return Value(self.text->size() > 0);
}
/// Is a text in letters of one case, and has it one?
template <bool big> Value has_case(Context& c, Value self, Arguments const&) {
  c.spend_bytes(self.text->size());
  bool any = false;
  for (std::size_t at = 0; at < self.text->size();) {
    const char32_t ch = next_code_point(self.text->bytes, at);
    if (!cased(ch)) continue;
    any = true;
    if ((big ? lower(ch) : upper(ch)) == ch && ch != 0xdf) return Value(false);
  }
  return Value(any);
}
/// In the middle of a width (0), at its left (1) or right (2).
template <int side> Value padded(Context& c, Value self, Arguments const& a) {
  const auto have = static_cast<std::int64_t>(length(self.text->bytes));
  const std::int64_t width = whole_of(c, a[0], "a width", 0);
  if (width > 1 << 20) c.fail("a width of " + std::to_string(width), "2^20 at most");
  const auto missing = static_cast<std::size_t>(std::max<std::int64_t>(width - have, 0));
  const std::size_t left = side == 1   ? 0
                           : side == 2 ? missing
                                       : missing / 2 + (missing & static_cast<std::size_t>(width) & 1U);
  const std::string fill = absent(a[1]) ? " " : text_of(c, a[1], "what fills").bytes;
  if (length(fill) != 1) c.fail("a filling of " + std::to_string(length(fill)) + " characters", "one");
  Text out;
  for (std::size_t i = 0; i < left; ++i) out.add(fill);
  out.add(*self.text);
  for (std::size_t i = left; i < missing; ++i) out.add(fill);
  return c.text(std::move(out));
}
/// str.format, with {}, {0} and {name}.
inline Value format(Context& c, Value self, Arguments const& a) {
  Text const& t = *self.text;
  Text out;
  std::size_t next = 0;
  for (std::size_t at = 0; at < t.size();) {
    const char ch = t.bytes[at];
    if ((ch == '{' || ch == '}') && at + 1 < t.size() && t.bytes[at + 1] == ch) {
      out.add(t.part(at, at + 1));
      at += 2;
      continue;
    }
    if (ch == '}') c.fail("a single }", "}}");
    if (ch != '{') {
      const std::size_t end = std::min(t.bytes.find_first_of("{}", at), t.size());
      out.add(t.part(at, end));
      at = end;
      continue;
    }
    const std::size_t end = t.bytes.find('}', at);
    if (end == std::string::npos) c.fail("a place without its end", "}");
    const std::string name = t.bytes.substr(at + 1, end - at - 1);
    at = end + 1;
    Value v;
    std::int64_t i = static_cast<std::int64_t>(next);
    if (name.empty() || number_text::parse(name, i)) {
      next += name.empty();
      if (i >= 0) v = a[static_cast<std::size_t>(i)];
    } else {
      for (auto const& [key, value] : a.named)
        if (key == name) v = value;
    }
    if (absent(v)) c.fail("the place {" + name + "}", "{}, {0} or {name}, with a value for it");
    out.add(written(c, v));
    c.require_room(out);
  }
  return c.text(std::move(out));
}
inline Value index(Context& c, Value self, Arguments const& a) {
  for (std::size_t i = 0; i < self.list->items.size(); ++i)
    if (equal(c, self.list->items[i], a[0])) return Value(static_cast<std::int64_t>(i));
  c.fail("a value that is not in the list", "one that is");
}

template <shape what> Value view(Context& c, Value self, Arguments const&) {
  std::vector<Value> all;
  for (auto const& [key, value] : self.dict->entries)
    all.push_back(what == shape::keys ? key : what == shape::values ? value : c.list({key, value}, shape::tuple));
  return c.list(std::move(all), what);
}
inline Value get(Context& c, Value self, Arguments const& a) {
  Value const* v = find(c, *self.dict, a[0]);
  return v != nullptr ? *v : absent(a[1]) ? Value::none() : a[1];
}
inline Value copy(Context&, Value self, Arguments const&) { return self; }

inline Value cycle(Context& c, Value self, Arguments const& a) {
  if (a.positional.empty()) c.fail("a cycle of nothing", "at least one value");
  return a.positional[self.loop->index % a.positional.size()];
}
inline Value changes(Context& c, Value self, Arguments const& a) {
  bool same = self.loop->has_changed && self.loop->last.size() == a.positional.size();
  for (std::size_t i = 0; same && i < a.positional.size(); ++i) same = equal(c, self.loop->last[i], a.positional[i]);
  self.loop->has_changed = true;
  self.loop->last = a.positional;
  return Value(!same);
}

inline constexpr std::array of_text = {
    Builtin{"strip", "| chars", stripped<3>},
    Builtin{"lstrip", "| chars", stripped<1>},
    Builtin{"rstrip", "| chars", stripped<2>},
    Builtin{"split", "| sep maxsplit", cut<false>},
    Builtin{"rsplit", "| sep maxsplit", cut<true>},
    Builtin{"splitlines", "| keepends", lines},
    Builtin{"startswith", "prefix", begins<true>},
    Builtin{"endswith", "suffix", begins<false>},
    Builtin{"removeprefix", "prefix", removed<true>},
    Builtin{"removesuffix", "suffix", removed<false>},
    Builtin{"upper", "", changed_by<upper>},
    Builtin{"lower", "", changed_by<lower>},
    Builtin{"title", "", changed_by<title>},
    Builtin{"capitalize", "", changed_by<capitalize>},
    Builtin{"replace", "old new | count", replaced},
    Builtin{"find", "sub", found<false, false>},
    Builtin{"rfind", "sub", found<true, false>},
    Builtin{"index", "sub", found<false, true>},
    Builtin{"count", "sub", counted},
    Builtin{"join", "iterable", joined},
    Builtin{"isdigit", "", all_are<is_digit>},
    Builtin{"isalpha", "", all_are<is_alpha>},
    Builtin{"isalnum", "", all_are<is_alnum>},
    Builtin{"isspace", "", all_are<is_space>},
    Builtin{"isupper", "", has_case<true>},
    Builtin{"islower", "", has_case<false>},
    Builtin{"center", "width | fillchar", padded<0>},
    Builtin{"ljust", "width | fillchar", padded<1>},
    Builtin{"rjust", "width | fillchar", padded<2>},
    Builtin{"format", nullptr, format},
};
inline constexpr std::array of_list = {Builtin{"index", "value", index}, Builtin{"count", "value", counted},
                                       Builtin{"copy", "", copy}};
inline constexpr std::array of_dict = {Builtin{"items", "", view<shape::items>}, Builtin{"keys", "", view<shape::keys>},
                                       Builtin{"values", "", view<shape::values>}, Builtin{"get", "key | default", get},
                                       Builtin{"copy", "", copy}};
inline constexpr std::array of_loop = {Builtin{"cycle", nullptr, cycle}, Builtin{"changed", nullptr, changes}};

}  // namespace methods

inline Builtin const* find_method(Value v, std::string_view name) {
  if (v.is == kind::text) return find(methods::of_text, name);
  if (v.is == kind::list && (v.list->as == shape::list || v.list->as == shape::tuple))
    return find(methods::of_list, name);
  if (v.is == kind::dict) return find(methods::of_dict, name);
  if (v.is == kind::loop) return find(methods::of_loop, name);
  return nullptr;
}

/// loop.name
inline Value loop_value(Context& c, Loop const& l, std::string_view name) {
  const auto n = static_cast<std::int64_t>(l.items->size()), i = static_cast<std::int64_t>(l.index);
  if (name == "index") return Value(i + 1);
  if (name == "index0") return Value(i);
  if (name == "revindex") return Value(n - i);
  if (name == "revindex0") return Value(n - i - 1);
  if (name == "first") return Value(i == 0);
  if (name == "last") return Value(i + 1 == n);
  if (name == "length") return Value(n);
  if (name == "depth") return Value(std::int64_t{1});  // of recursive loops, which are not here
  if (name == "depth0") return Value(std::int64_t{0});
  if (name == "previtem") return i == 0 ? c.undefined("there is no previous item, which") : (*l.items)[l.index - 1];
  if (name == "nextitem") return i + 1 == n ? c.undefined("there is no next item, which") : (*l.items)[l.index + 1];
  return c.undefined("loop." + std::string(name));
}

/// v.name: of a dict its methods, then its keys.
inline Value attribute(Context& c, Value v, std::string_view name) {
  c.spend(1);
  if (v.is == kind::undefined) refuse_undefined(c, v);
  if (Builtin const* m = find_method(v, name)) return Value(c.heap.function(m, v));
  if (v.is == kind::dict) {
    constexpr std::string_view change[] = {"clear", "pop", "popitem", "setdefault", "update"};
    for (const std::string_view other : change)
      if (name == other) return c.undefined(std::string(name) + " changes a dict, which templates may not: it");
    if (Value const* found = v.dict->find(name)) return *found;
  }
  if (v.is == kind::names)
    if (Value const* found = v.names->find(name)) return *found;
  if (v.is == kind::loop) return loop_value(c, *v.loop, name);
  return c.undefined("'" + std::string(name) + "' of " + name_of(v.is));
}
/// v[key]: of a dict its keys, then its methods.
inline Value item(Context& c, Value v, Value key) {
  c.spend(1);
  if (v.is == kind::undefined) refuse_undefined(c, v);
  if (v.is == kind::dict)
    if (Value const* found = find(c, *v.dict, key)) return *found;
  if (key.is == kind::text) return attribute(c, v, key.text->bytes);
  const bool of_text = v.is == kind::text;
  const bool indexed =
      of_text ||
      (v.is == kind::list && (v.list->as == shape::list || v.list->as == shape::tuple || v.list->as == shape::range));
  if (key.whole_number() && indexed) {
    const std::int64_t n = size(c, v), i = key.as_whole() < 0 ? key.as_whole() + n : key.as_whole();
    if (i >= 0 && i < n) {
      const auto at = static_cast<std::size_t>(i);
      if (!of_text) return v.list->items[at];
      const std::vector<std::size_t> all = starts(v.text->bytes);
      return c.text(v.text->part(all[at], all[at + 1]));
    }
  }
  Text shown;
  write(c, key, shown, true);
  return c.undefined(shown.bytes + " of " + name_of(v.is));
}
/// v[from:to:step], each an integer or none.
inline Value slice(Context& c, Value v, Value from, Value to, Value by) {
  if (v.is == kind::undefined) refuse_undefined(c, v);
  const bool text = v.is == kind::text;
  if (!text && (v.is != kind::list || (v.list->as != shape::list && v.list->as != shape::tuple)))
    c.fail(std::string("a part of ") + name_of(v.is), "a part of a string or a list");
  const std::vector<std::size_t> at = text ? starts(v.text->bytes) : std::vector<std::size_t>{};
  c.spend(at.size() / 16);
  const auto n = static_cast<std::int64_t>(text ? at.size() - 1 : v.list->items.size());
  const std::int64_t step = whole_of(c, by, "a step", 1);
  if (step == 0) c.fail("a step of 0", "another");
  const auto place = [&](Value p, std::int64_t otherwise) {
    std::int64_t i = whole_of(c, p, "a place", otherwise);
    if (absent(p) || p.is == kind::none) return i;
    if (i < 0) i = std::max(i + n, std::int64_t{step < 0 ? -1 : 0});
    return std::min(i, step < 0 ? n - 1 : n);
  };
  const std::int64_t begin = place(from, step < 0 ? n - 1 : 0), end = place(to, step < 0 ? -1 : n);
  if (text && step == 1)
    return c.text(begin < end ? v.text->part(at[static_cast<std::size_t>(begin)], at[static_cast<std::size_t>(end)])
                              : Text{});
  Text out;
  std::vector<Value> all;
  for (std::int64_t i = begin; step < 0 ? i > end : i < end;) {
    const auto k = static_cast<std::size_t>(i);
    if (text) out.add(v.text->part(at[k], at[k + 1]));
    else all.push_back(v.list->items[k]);
    if (__builtin_add_overflow(i, step, &i)) break;
  }
  return text ? c.text(std::move(out)) : c.list(std::move(all), v.list->as);
}

}  // namespace fauna::inline v0::jinja
