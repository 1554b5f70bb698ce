// Arithmetic of templates, and texts with places for values.
#pragma once
#include <cstdio>

#include <fauna/core/number_text.hpp>
#include <fauna/text/template/builtin.hpp>

namespace fauna::inline v0::jinja {

[[noreturn]] inline void too_large(Context const& c) { c.fail("a number that is too large", "63 bits at most"); }
inline std::int64_t plus(Context const& c, std::int64_t a, std::int64_t b) {
  std::int64_t r = 0;
  if (__builtin_add_overflow(a, b, &r)) too_large(c);
  return r;
}
inline std::int64_t times(Context const& c, std::int64_t a, std::int64_t b) {
  std::int64_t r = 0;
  if (__builtin_mul_overflow(a, b, &r)) too_large(c);
  return r;
}
/// Towards minus infinity, as Python divides.
inline std::int64_t floor_divided(Context const& c, std::int64_t a, std::int64_t b) {
  if (a == INT64_MIN && b == -1) too_large(c);
  return a / b - (a % b != 0 && (a < 0) != (b < 0));
}

inline Value number(Context& c, char sign, Value a, Value b) {
  const bool whole = a.whole_number() && b.whole_number();
  const std::int64_t m = whole ? a.as_whole() : 0, n = whole ? b.as_whole() : 0;
  const double x = a.as_real(), y = b.as_real();
  if ((sign == '/' || sign == 'f' || sign == '%') && y == 0) c.fail("a division by zero", "another divisor");
  switch (sign) {
    case '+': return whole ? Value(plus(c, m, n)) : Value(x + y);
    case '-':
      if (whole && n == INT64_MIN) too_large(c);
      return whole ? Value(plus(c, m, -n)) : Value(x - y);
    case '*': return whole ? Value(times(c, m, n)) : Value(x * y);
    case '/': return Value(x / y);
    case 'f': return whole ? Value(floor_divided(c, m, n)) : Value(std::floor(x / y));
    case '%': {
      if (whole) return Value(n == -1 ? std::int64_t{0} : plus(c, m, -times(c, floor_divided(c, m, n), n)));
      const double r = std::fmod(x, y);
      return Value(r != 0 && (r < 0) != (y < 0) ? r + y : r);
    }
    default: break;
  }
  if (!whole || n < 0) {
    if (x == 0 && y < 0) c.fail("zero to a negative power", "a positive one");
    return Value(std::pow(x, y));
  }
  std::int64_t result = 1;
  for (std::int64_t i = 0; i < n && m != 1 && m != 0 && (m != -1 || i < n % 2); ++i) result = times(c, result, m);
  return Value(m == 0 && n > 0 ? std::int64_t{0} : result);
}

/// The value of one place, %5.2f and such: `spec` is what stands between % and the letter.
inline Text placed(Context& c, Value v, std::string_view spec, char letter) {
  bool left = false, zero = false, plus_sign = false, space = false;
  std::size_t at = 0;
  for (; at < spec.size() && std::string_view("-0+ #").find(spec[at]) != std::string_view::npos; ++at) {
    left = left || spec[at] == '-';
    zero = zero || spec[at] == '0';
    plus_sign = plus_sign || spec[at] == '+';
    space = space || spec[at] == ' ';
  }
  const auto digits = [&] {
    std::size_t n = 0;
    for (; at < spec.size() && spec[at] >= '0' && spec[at] <= '9'; ++at)
      if ((n = 10 * n + static_cast<std::size_t>(spec[at] - '0')) > 1000) c.fail("a width beyond 1000", "less");
    return n;
  };
  const std::size_t width = digits();
  const bool precise = at < spec.size() && spec[at] == '.';
  if (precise) ++at;
  const std::size_t precision = precise ? digits() : 6;
  if (at != spec.size()) c.fail("the place %" + std::string(spec) + letter, "one like %s, %d or %.2f");
  Text t;
  if (letter == 's') {
    t = written(c, v);
  } else if (letter == 'r') {
    write(c, v, t, true);
  } else if (!v.number()) {
    c.fail(std::string(name_of(v.is)) + " for %" + letter, "a number");
  } else if (letter == 'd' || letter == 'i') {
    if (v.is == kind::real && !(std::fabs(v.real) < 9e18)) too_large(c);
    t.add(std::to_string(v.is == kind::real ? static_cast<std::int64_t>(v.real) : v.as_whole()));
  } else if (letter == 'x' || letter == 'X' || letter == 'o') {
    if (!v.whole_number() || v.as_whole() < 0) c.fail("a number for %x", "a whole one, not negative");
    char s[32];
    t.add(std::string(s, std::to_chars(s, s + sizeof s, v.as_whole(), letter == 'o' ? 8 : 16).ptr));
    if (letter == 'X') t = upper(t);
  } else {
    char s[1400];
    const int p = static_cast<int>(precision);
    const double x = v.as_real();
    const int n = letter == 'f'   ? std::snprintf(s, sizeof s, "%.*f", p, x)
                  : letter == 'e' ? std::snprintf(s, sizeof s, "%.*e", p, x)
                                  : std::snprintf(s, sizeof s, "%.*g", p, x);
    t.add({s, static_cast<std::size_t>(n)});
  }
  const bool text = letter == 's' || letter == 'r';
  if (text && precise) t = t.part(0, starts(t.bytes)[std::min(precision, length(t.bytes))]);
  if (!text && t.bytes[0] != '-' && (plus_sign || space)) t.bytes.insert(0, plus_sign ? "+" : " ");
  const std::size_t have = length(t.bytes), pad = width > have ? width - have : 0;
  Text out;
  if (left) {
    out = t;
    out.add(std::string(pad, ' '));
  } else if (zero && !text) {
    const std::size_t sign = t.bytes[0] == '-' || t.bytes[0] == '+' || t.bytes[0] == ' ';
    out.add(t.part(0, sign));
    out.add(std::string(pad, '0'));
    out.add(t.part(sign, t.size()));
  } else {
    out.add(std::string(pad, ' '));
    out.add(t);
  }
  return out;
}
/// text % value
inline Value formatted(Context& c, Text const& text, Value values, bool many) {
  const bool tuple = many || (values.is == kind::list && values.list->as == shape::tuple);
  const std::vector<Value> all = tuple ? items(c, values) : std::vector<Value>{values};
  std::size_t used = 0;
  Text out;
  for (std::size_t at = 0; at < text.size();) {
    const std::size_t place = std::min(text.bytes.find('%', at), text.size());
    out.add(text.part(at, place));
    if (place == text.size()) break;
    const std::size_t end = text.bytes.find_first_not_of("-+ #.0123456789", place + 1);
    if (end == std::string::npos) c.fail("a place without its letter", "%s, %d or %f");
    at = end + 1;
    const char letter = text.bytes[end];
    const std::string spec = text.bytes.substr(place + 1, end - place - 1);
    if (letter == '%') {
      out.add("%");
      continue;
    }
    if (std::string_view("srdixXofeg").find(letter) == std::string_view::npos)
      c.fail("the place %" + spec + letter, "%s, %r, %d, %x, %o, %f, %e or %g");
    if (used == all.size()) c.fail("more places than values", "as many");
    out.add(placed(c, all[used++], spec, letter));
    c.require_room(out);
  }
  if (used < all.size() && (tuple || values.is != kind::dict)) c.fail("more values than places", "as many");
  return c.text(std::move(out));
}

inline Value repeated(Context& c, Value what, std::int64_t times) {
  const auto n = static_cast<std::size_t>(std::max<std::int64_t>(times, 0));
  const std::size_t one = what.is == kind::text ? what.text->size() / 64 + 1 : what.list->items.size() + 1;
  if (n > (std::size_t{1} << 32)) c.fail("a text or list repeated " + std::to_string(n) + " times", "fewer");
  c.spend(n * one);
  if (what.is == kind::text) {
    Text out;
    for (std::size_t i = 0; i < n && what.text->size() > 0; ++i) out.add(*what.text);
    return c.text(std::move(out));
  }
  std::vector<Value> all;
  for (std::size_t i = 0; i < n; ++i) all.insert(all.end(), what.list->items.begin(), what.list->items.end());
  return c.list(std::move(all), what.list->as);
}

/// a SIGN b, with one of + - * / f (for //) % ^ (for **).
inline Value arithmetic(Context& c, char sign, Value a, Value b) {
  for (const Value v : {a, b})
    if (v.is == kind::undefined) refuse_undefined(c, v);
  if (sign == '%' && a.is == kind::text) return formatted(c, *a.text, b, false);
  if (a.number() && b.number()) return number(c, sign, a, b);
  const auto sequence = [](Value v) {
    return v.is == kind::text || (v.is == kind::list && (v.list->as == shape::list || v.list->as == shape::tuple));
  };
  if (sign == '+' && a.is == kind::text && b.is == kind::text) {
    Text t = *a.text;
    t.add(*b.text);
    return c.text(std::move(t));
  }
  if (sign == '+' && sequence(a) && sequence(b) && a.is == b.is && a.list->as == b.list->as) {
    std::vector<Value> all = a.list->items;
    all.insert(all.end(), b.list->items.begin(), b.list->items.end());
    return c.list(std::move(all), a.list->as);
  }
  if (sign == '*' && sequence(a) && b.whole_number()) return repeated(c, a, b.as_whole());
  if (sign == '*' && a.whole_number() && sequence(b)) return repeated(c, b, a.as_whole());
  const std::string shown = sign == 'f' ? "//" : sign == '^' ? "**" : std::string(1, sign);
  c.fail(std::string(name_of(a.is)) + ' ' + shown + ' ' + name_of(b.is), "two numbers, or what these can be done with",
         sign == '+' ? "~ joins anything as text" : "");
}

}  // namespace fauna::inline v0::jinja
