// Values as JSON, as Python's json.dumps writes them.
#pragma once
#include <fauna/text/template/builtin.hpp>

namespace fauna::inline v0::jinja {

/// How: with `indent` below 0 on one line. `item` and `key` stand behind an item and a key.
struct JsonStyle {
  std::int64_t indent = -1;
  std::string item = ", ", key = ": ";
  bool ascii = false, sorted = false;
};

/// A string in its quotes. Its characters keep their marks; the quotes are the template's.
inline void write_json(Text const& t, JsonStyle const& style, Text& out) {
  constexpr char hex[] = "0123456789abcdef";
  const auto unit = [&](std::uint32_t u, char with) {
    std::string s = "\\u";
    for (unsigned shift = 16; shift > 0; shift -= 4) s += hex[u >> (shift - 4) & 15U];
    out.add(s, with);
  };
  out.add("\"");
  for (std::size_t at = 0; at < t.size();) {
    const std::size_t begin = at;
    const char with = t.mark_at(at);
    const char32_t c = next_code_point(t.bytes, at);
    constexpr std::u32string_view plain = U"\"\\\b\f\n\r\t";
    constexpr std::string_view spelt = "\"\\bfnrt";
    if (const std::size_t i = plain.find(c); i != plain.npos) {
      const char escape[] = {'\\', spelt[i]};
      out.add({escape, 2}, with);
    } else if (c < 0x20 || (style.ascii && c >= 0x7f && c < 0x10000 && c != 0x7f)) {
      unit(c, with);
    } else if (style.ascii && c >= 0x10000) {
      unit(0xd800U + ((c - 0x10000U) >> 10U), with);
      unit(0xdc00U + ((c - 0x10000U) & 0x3ffU), with);
    } else {
      out.add(std::string_view(t.bytes).substr(begin, at - begin), with);
    }
  }
  out.add("\"");
}

inline void write_json(Context& c, Value v, JsonStyle const& style, std::int64_t inside, Text& out) {
  c.spend(1);
  c.require_room(out);
  const auto line = [&](std::int64_t depth) {
    if (style.indent < 0) return;
    c.spend_bytes(static_cast<std::size_t>(depth * style.indent));
    out.add("\n" + std::string(static_cast<std::size_t>(depth * style.indent), ' '));
  };
  switch (v.is) {
    case kind::none: return out.add("null");
    case kind::boolean: return out.add(v.flag ? "true" : "false");
    case kind::integer: return out.add(std::to_string(v.whole));
    case kind::real: {
      if (std::isnan(v.real)) return out.add("NaN");
      if (std::isinf(v.real)) return out.add(v.real < 0 ? "-Infinity" : "Infinity");
      return out.add(written(v.real));
    }
    case kind::text: c.spend_bytes(v.text->size()); return write_json(*v.text, style, out);
    case kind::list: {
      if (v.list->as != shape::list && v.list->as != shape::tuple) break;
      const Context::Deeper deeper(c);
      if (v.list->items.empty()) return out.add("[]");
      out.add("[");
      for (std::size_t i = 0; i < v.list->items.size(); ++i) {
        if (i > 0) out.add(style.item);
        line(inside + 1);
        write_json(c, v.list->items[i], style, inside + 1, out);
      }
      line(inside);
      return out.add("]");
    }
    case kind::dict: {
      const Context::Deeper deeper(c);
      auto entries = v.dict->entries;
      if (entries.empty()) return out.add("{}");
      if (style.sorted) sort(entries, [&c](auto const& a, auto const& b) { return compare(c, a.first, b.first) < 0; });
      out.add("{");
      bool first = true;
      for (auto const& [key, value] : entries) {
        if (!first) out.add(style.item);
        first = false;
        line(inside + 1);
        Text spelt;
        if (key.is == kind::list) c.fail("a tuple as a key of JSON", "a string, a number, true, false or none");
        if (key.is != kind::text) write_json(c, key, style, 0, spelt);
        write_json(key.is == kind::text ? *key.text : spelt, style, out);
        out.add(style.key);
        write_json(c, value, style, inside + 1, out);
      }
      line(inside);
      return out.add("}");
    }
    case kind::undefined: refuse_undefined(c, v);
    default: break;
  }
  c.fail(std::string(v.is == kind::list ? "a generator or a view" : name_of(v.is)) + " as JSON",
         "a string, a number, a list or a dict");
}

/// | tojson(ensure_ascii, indent, separators, sort_keys), as transformers has it: no HTML, order and letters kept.
inline Value to_json(Context& c, Value v, Arguments const& a) {
  JsonStyle style;
  style.ascii = flag_of(a[0], false);
  style.indent = whole_of(c, a[1], "indent", -1);
  if (style.indent > 64) c.fail("an indent of " + std::to_string(style.indent), "64 at most");
  if (!absent(a[1]) && a[1].is != kind::none) {
    style.indent = std::max<std::int64_t>(style.indent, 0);
    style.item = ",";
  }
  if (!absent(a[2]) && a[2].is != kind::none) {
    const std::vector<Value> both = items(c, a[2]);
    if (both.size() != 2) c.fail(std::to_string(both.size()) + " separators", "two");
    style.item = text_of(c, both[0], "a separator").bytes;
    style.key = text_of(c, both[1], "a separator").bytes;
  }
  style.sorted = flag_of(a[3], false);
  Text out;
  write_json(c, v, style, 0, out);
  return c.text(std::move(out));
}

}  // namespace fauna::inline v0::jinja
