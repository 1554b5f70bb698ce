// What Python does with values: truth, equality, order, iteration, and how they are written.
#pragma once
#include <charconv>
#include <cmath>

#include <fauna/text/template/context.hpp>

namespace fauna::inline v0::jinja {

[[noreturn]] inline void refuse_undefined(Context const& c, Value v) {
  c.fail(v.text == nullptr ? "an undefined value" : v.text->bytes + " is undefined", "a value");
}

inline bool truth(Value v) {
  switch (v.is) {
    case kind::undefined:
    case kind::none: return false;
    case kind::boolean: return v.flag;
    case kind::integer: return v.whole != 0;
    case kind::real: return v.real != 0;
    case kind::text: return v.text->size() > 0;
    case kind::list: return v.list->as == shape::generator || !v.list->items.empty();
    case kind::dict: return !v.dict->entries.empty();
    default: return true;
  }
}

inline Value const* find(Context& c, Dict const& d, Value key);

inline bool equal(Context& c, Value a, Value b) {
  c.spend(1);
  if (a.number() && b.number())
    return a.whole_number() && b.whole_number() ? a.as_whole() == b.as_whole() : a.as_real() == b.as_real();
  if (a.is != b.is) return false;
  switch (a.is) {
    case kind::undefined:
    case kind::none: return true;
    case kind::text: c.spend_bytes(a.text->size()); return a.text->bytes == b.text->bytes;
    case kind::list: {
      if (a.list == b.list) return true;
      const bool both = a.list->as == b.list->as && a.list->as != shape::generator;
      if (!both || a.list->items.size() != b.list->items.size()) return false;
      const Context::Deeper deeper(c);
      for (std::size_t i = 0; i < a.list->items.size(); ++i)
        if (!equal(c, a.list->items[i], b.list->items[i])) return false;
      return true;
    }
    case kind::dict: {
      if (a.dict == b.dict) return true;
      if (a.dict->entries.size() != b.dict->entries.size()) return false;
      const Context::Deeper deeper(c);
      for (auto const& [key, value] : a.dict->entries) {
        Value const* other = find(c, *b.dict, key);
        if (other == nullptr || !equal(c, value, *other)) return false;
      }
      return true;
    }
    case kind::function: return a.function == b.function;
    case kind::macro: return a.macro == b.macro;
    case kind::names: return a.names == b.names;
    default: return a.loop == b.loop;
  }
}
/// The value of a key; a null pointer without it. Throws on a key that Python could not hash.
inline Value const* find(Context& c, Dict const& d, Value key) {
  if (key.is == kind::text) return d.find(key.text->bytes);
  if (key.is == kind::dict || (key.is == kind::list && key.list->as != shape::tuple))
    c.fail(std::string(name_of(key.is)) + " as a key", "a string or a number");
  for (auto const& e : d.entries)
    if (e.first.is != kind::text && equal(c, e.first, key)) return &e.second;
  return nullptr;
}
inline void set(Context& c, Dict& d, Value key, Value v) {
  c.spend(2);
  if (key.is == kind::text) return d.set(key.text, v);
  if (Value const* have = find(c, d, key)) *const_cast<Value*>(have) = v;  // d is being built
  else d.entries.emplace_back(key, v);
}

/// Below 0, 0 or above, as a is less than, equal to or more than b.
inline int compare(Context& c, Value a, Value b) {
  c.spend(1);
  if (a.is == kind::undefined) refuse_undefined(c, a);
  if (b.is == kind::undefined) refuse_undefined(c, b);
  if (a.whole_number() && b.whole_number()) return a.as_whole() < b.as_whole() ? -1 : a.as_whole() > b.as_whole();
  if (a.number() && b.number()) return a.as_real() < b.as_real() ? -1 : a.as_real() > b.as_real();
  if (a.is == kind::text && b.is == kind::text) {
    c.spend_bytes(a.text->size());
    return a.text->bytes.compare(b.text->bytes);
  }
  if (a.is == kind::list && b.is == kind::list && a.list->as == b.list->as) {
    const Context::Deeper deeper(c);
    auto const &x = a.list->items, &y = b.list->items;
    for (std::size_t i = 0; i < x.size() && i < y.size(); ++i)
      if (!equal(c, x[i], y[i])) return compare(c, x[i], y[i]);
    return x.size() < y.size() ? -1 : x.size() > y.size();
  }
  c.fail(std::string(name_of(a.is)) + " compared with " + name_of(b.is), "two of a kind that has an order");
}

/// A stable merge sort: equals stay in their order.
template <class T, class Less> void sort(std::vector<T>& all, Less&& less) {
  std::vector<T> from = all;
  for (std::size_t run = 1; run < all.size(); run *= 2, from = all)
    for (std::size_t begin = 0, out = 0; begin < all.size(); begin += 2 * run) {
      const std::size_t middle = std::min(begin + run, all.size()), end = std::min(begin + 2 * run, all.size());
      for (std::size_t a = begin, b = middle; a < middle || b < end;)
        all[out++] = from[b == end || (a < middle && !less(from[b], from[a])) ? a++ : b++];
    }
}

/// The items of what can be iterated over.
inline std::vector<Value> items(Context& c, Value v) {
  switch (v.is) {
    case kind::undefined: return {};
    case kind::list: {
      c.spend(v.list->items.size());
      if (v.list->as != shape::generator) return v.list->items;
      const bool again = v.list->spent;
      v.list->spent = true;
      return again ? std::vector<Value>{} : v.list->items;
    }
    case kind::dict: {
      std::vector<Value> keys;
      c.spend(v.dict->entries.size());
      for (auto const& e : v.dict->entries) keys.push_back(e.first);
      return keys;
    }
    case kind::text: {
      std::vector<Value> all;
      c.spend(v.text->size());
      const std::vector<std::size_t> at = starts(v.text->bytes);
      for (std::size_t i = 0; i + 1 < at.size(); ++i) all.push_back(c.text(v.text->part(at[i], at[i + 1])));
      return all;
    }
    default: c.fail(std::string(name_of(v.is)) + " where something is gone through", "a list, a dict or a string");
  }
}
inline std::int64_t size(Context& c, Value v) {
  if (v.is == kind::undefined) return 0;
  if (v.is == kind::text) {
    c.spend_bytes(v.text->size());
    return static_cast<std::int64_t>(length(v.text->bytes));
  }
  if (v.is == kind::dict) return static_cast<std::int64_t>(v.dict->entries.size());
  if (v.is == kind::list && v.list->as != shape::generator) return static_cast<std::int64_t>(v.list->items.size());
  c.fail(std::string("the length of ") + (v.is == kind::list ? "a generator" : name_of(v.is)),
         "that of a string, a list or a dict");
}
/// a in b
inline bool contains(Context& c, Value b, Value a) {
  if (b.is == kind::text) {
    if (a.is != kind::text) c.fail(std::string(name_of(a.is)) + " sought in a string", "a string");
    c.spend_bytes(b.text->size());
    return b.text->bytes.find(a.text->bytes) != std::string::npos;
  }
  if (b.is == kind::dict) return find(c, *b.dict, a) != nullptr;
  for (const Value v : items(c, b))
    if (equal(c, v, a)) return true;
  return false;
}

/// float.__repr__: the fewest digits that read back as the number.
inline std::string written(double x) {
  if (std::isnan(x)) return "nan";
  if (std::isinf(x)) return x < 0 ? "-inf" : "inf";
  char s[40];
  const double size = std::fabs(x);
  if (size != 0 && (size < 1e-4 || size >= 1e16))
    return {s, std::to_chars(s, s + sizeof s, x, std::chars_format::scientific).ptr};
  std::string t(s, std::to_chars(s, s + sizeof s, x, std::chars_format::fixed).ptr);
  if (t.find('.') == std::string::npos) t += ".0";
  return t;
}

/// str.__repr__
inline Text quoted(Text const& t) {
  const bool twice = t.bytes.find('\'') != std::string::npos && t.bytes.find('"') == std::string::npos;
  const char q = twice ? '"' : '\'';
  constexpr char hex[] = "0123456789abcdef";
  Text out;
  out.add({&q, 1});
  for (std::size_t at = 0; at < t.size();) {
    const std::size_t begin = at;
    const char with = t.mark_at(at);
    const char32_t c = next_code_point(t.bytes, at);
    const bool hidden = c < 0x20 || (c >= 0x7f && c <= 0xa0) || c == 0xad || (c > 0xff && is_space(c)) ||
                        (c >= 0x200b && c <= 0x200f) || (c >= 0x2028 && c <= 0x202e) || (c >= 0x2060 && c <= 0x206f) ||
                        (c >= 0xe000 && c <= 0xf8ff) || c == 0xfeff;
    if (c == U'\n' || c == U'\r' || c == U'\t') out.add(c == U'\n' ? "\\n" : c == U'\r' ? "\\r" : "\\t", with);
    else if (c == U'\\' || c == static_cast<char32_t>(q)) out.add("\\" + t.bytes.substr(begin, 1), with);
    else if (hidden) {
      std::string e = c < 0x100 ? "\\x" : "\\u";
      for (int shift = c < 0x100 ? 4 : 12; shift >= 0; shift -= 4) e += hex[c >> static_cast<unsigned>(shift) & 15U];
      out.add(e, with);
    } else {
      out.add(std::string_view(t.bytes).substr(begin, at - begin), with);
    }
  }
  out.add({&q, 1});
  return out;
}

inline void write(Context& c, Value v, Text& out, bool quotes);

/// What {{ v }} prints: str(v).
inline Text written(Context& c, Value v) {
  if (v.is == kind::text) return *v.text;
  Text out;
  write(c, v, out, false);
  return out;
}
/// repr(v), or str(v) without quotes.
inline void write(Context& c, Value v, Text& out, bool quotes) {
  c.spend(1);
  c.require_room(out);
  switch (v.is) {
    case kind::undefined: return out.add(quotes ? "Undefined" : "");
    case kind::none: return out.add("None");
    case kind::boolean: return out.add(v.flag ? "True" : "False");
    case kind::integer: return out.add(std::to_string(v.whole));
    case kind::real: return out.add(written(v.real));
    case kind::text: c.spend_bytes(v.text->size()); return out.add(quotes ? quoted(*v.text) : *v.text);
    case kind::list: {
      const Context::Deeper deeper(c);
      const shape as = v.list->as;
      if (as == shape::generator || as == shape::range)
        c.fail(as == shape::range ? "a range as text" : "a generator as text", "a list", "| list makes one");
      const bool tuple = as == shape::tuple, plain = as == shape::list;
      if (!tuple && !plain)
        out.add(as == shape::keys ? "dict_keys(" : as == shape::values ? "dict_values(" : "dict_items(");
      out.add(tuple ? "(" : "[");
      for (std::size_t i = 0; i < v.list->items.size(); ++i) {
        if (i > 0) out.add(", ");
        write(c, v.list->items[i], out, true);
      }
      if (tuple && v.list->items.size() == 1) out.add(",");
      return out.add(tuple ? ")" : plain ? "]" : "])");
    }
    case kind::dict: {
      const Context::Deeper deeper(c);
      out.add("{");
      for (std::size_t i = 0; i < v.dict->entries.size(); ++i) {
        if (i > 0) out.add(", ");
        write(c, v.dict->entries[i].first, out, true);
        out.add(": ");
        write(c, v.dict->entries[i].second, out, true);
      }
      return out.add("}");
    }
    case kind::loop: {
      const std::string place = std::to_string(v.loop->index + 1) + '/' + std::to_string(v.loop->items->size());
      return out.add("<LoopContext " + place + '>');
    }
    default: c.fail(std::string(name_of(v.is)) + " as text", "a value", "was a call meant, with ()?");
  }
}

}  // namespace fauna::inline v0::jinja
