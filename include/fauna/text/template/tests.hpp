// What `is` asks.
#pragma once
#include <fauna/text/template/methods.hpp>

namespace fauna::inline v0::jinja {

namespace tests {

template <kind k> Value is(Context&, Value v, Arguments const&) { return Value(v.is == k); }
inline Value is_defined(Context&, Value v, Arguments const&) { return Value(v.is != kind::undefined); }
inline Value is_iterable(Context&, Value v, Arguments const&) {
  return Value(v.is == kind::text || v.is == kind::list || v.is == kind::dict || v.is == kind::undefined ||
               v.is == kind::loop);
}
inline Value is_sequence(Context&, Value v, Arguments const&) {
  const bool list =
      v.is == kind::list && (v.list->as == shape::list || v.list->as == shape::tuple || v.list->as == shape::range);
  return Value(list || v.is == kind::text || v.is == kind::dict || v.is == kind::undefined);
}
inline Value is_number(Context&, Value v, Arguments const&) { return Value(v.number()); }
inline Value is_true(Context&, Value v, Arguments const&) { return Value(v.is == kind::boolean && v.flag); }
inline Value is_false(Context&, Value v, Arguments const&) { return Value(v.is == kind::boolean && !v.flag); }
inline Value is_callable(Context&, Value v, Arguments const&) {
  return Value(v.is == kind::macro || v.is == kind::function || v.is == kind::loop);
}
template <int rest> Value has_rest(Context& c, Value v, Arguments const&) {
  const Value r = arithmetic(c, '%', v, Value(std::int64_t{2}));
  return Value(r.as_real() == rest);
}
inline Value divides(Context& c, Value v, Arguments const& a) { return Value(!truth(arithmetic(c, '%', v, a[0]))); }
inline Value is_equal(Context& c, Value v, Arguments const& a) { return Value(equal(c, v, a[0])); }
inline Value differs(Context& c, Value v, Arguments const& a) { return Value(!equal(c, v, a[0])); }
inline Value less(Context& c, Value v, Arguments const& a) { return Value(compare(c, v, a[0]) < 0); }
inline Value at_most(Context& c, Value v, Arguments const& a) { return Value(compare(c, v, a[0]) <= 0); }
inline Value greater(Context& c, Value v, Arguments const& a) { return Value(compare(c, v, a[0]) > 0); }
inline Value at_least(Context& c, Value v, Arguments const& a) { return Value(compare(c, v, a[0]) >= 0); }
inline Value is_in(Context& c, Value v, Arguments const& a) { return Value(contains(c, a[0], v)); }
/// The same object; equal numbers and strings of one kind are.
inline Value is_same(Context& c, Value v, Arguments const& a) {
  if (v.is != a[0].is) return Value(false);
  if (v.is == kind::list) return Value(v.list == a[0].list);
  if (v.is == kind::dict) return Value(v.dict == a[0].dict);
  return Value(equal(c, v, a[0]));
}
template <bool big> Value has_case(Context& c, Value v, Arguments const& a) {
  const Value text = c.text(written(c, v));
  return methods::has_case<big>(c, text, a);
}

inline constexpr std::array all = {
    Builtin{"defined", "", is_defined},
    Builtin{"undefined", "", is<kind::undefined>},
    Builtin{"none", "", is<kind::none>},
    Builtin{"string", "", is<kind::text>},
    Builtin{"mapping", "", is<kind::dict>},
    Builtin{"iterable", "", is_iterable},
    Builtin{"sequence", "", is_sequence},
    Builtin{"number", "", is_number},
    Builtin{"integer", "", is<kind::integer>},
    Builtin{"float", "", is<kind::real>},
    Builtin{"boolean", "", is<kind::boolean>},
    Builtin{"true", "", is_true},
    Builtin{"false", "", is_false},
    Builtin{"callable", "", is_callable},
    Builtin{"odd", "", has_rest<1>},
    Builtin{"even", "", has_rest<0>},
    Builtin{"divisibleby", "num", divides},
    Builtin{"lower", "", has_case<false>},
    Builtin{"upper", "", has_case<true>},
    Builtin{"in", "seq", is_in},
    Builtin{"sameas", "other", is_same},
    Builtin{"equalto", "other", is_equal},
    Builtin{"eq", "other", is_equal},
    Builtin{"==", "other", is_equal},
    Builtin{"ne", "other", differs},
    Builtin{"!=", "other", differs},
    Builtin{"lt", "other", less},
    Builtin{"lessthan", "other", less},
    Builtin{"<", "other", less},
    Builtin{"le", "other", at_most},
    Builtin{"<=", "other", at_most},
    Builtin{"gt", "other", greater},
    Builtin{"greaterthan", "other", greater},
    Builtin{">", "other", greater},
    Builtin{"ge", "other", at_least},
    Builtin{">=", "other", at_least},
};

}  // namespace tests

inline Builtin const* find_test(std::string_view name) { return find(tests::all, name); }
inline std::string test_names() { return names(tests::all); }

}  // namespace fauna::inline v0::jinja
