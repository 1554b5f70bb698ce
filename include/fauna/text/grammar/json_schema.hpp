// A JSON schema (draft 2020-12) as a grammar of JSON texts that fit it. What a schema says and this does not do is
// refused by its name, so a text of the grammar always fits; not every text that fits is one of the grammar:
// properties come in the schema's order, and only those that it names; after , and : one space may stand, and no other
// white space; integers have up to 15 digits, numbers as many again behind the point and an exponent of two; a
// character is written as itself, or as the shortest escape where JSON needs one. A model so has no way to go on for
// ever but in what may be long by the schema: strings without maxLength, arrays without maxItems.
// Objects and arrays are rules, so values may be `Automaton::deepest` deep, in each other or in themselves by $ref.
#pragma once
#include <map>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <fauna/io/json.hpp>
#include <fauna/text/grammar/expression.hpp>
#include <fauna/text/grammar/regex.hpp>

namespace fauna::inline v0::grammar {

namespace detail {

class SchemaReader {
 public:
  explicit SchemaReader(std::string_view text) : text_(text) {}

  Grammar whole() {
    JsonReader in(text_, "schema");
    in.skip();
    in.end();
    refs_["#"] = new_rule();
    set_rule(0, schema(text_, "schema"));
    return std::move(grammar_);
  }
  Grammar any_object() {
    const int object = new_rule();
    set_rule(object, object_of(any()));
    return std::move(grammar_);
  }

 private:
  /// The keywords of a schema that nobody has read yet, with their values.
  struct Keywords {
    std::string where;
    std::vector<std::pair<std::string, std::string_view>> left{};

    bool has(std::string_view name) const {
      for (auto const& [key, value] : left)
        if (key == name) return true;
      return false;
    }
    /// Reads a keyword; empty where there is none.
    std::string_view take(std::string_view name) {
      for (std::size_t i = 0; i < left.size(); ++i)
        if (left[i].first == name) {
          const std::string_view value = left[i].second;
          left.erase(left.begin() + static_cast<std::ptrdiff_t>(i));
          return value;
        }
      return {};
    }
    void none_left(std::string const& of) const {
      if (!left.empty()) fail("schema", where + ": '" + left[0].first + "' is not available " + of);
    }
  };

  static std::vector<std::pair<std::string, std::string_view>> members(std::string_view text,
                                                                       std::string const& where) {
    std::vector<std::pair<std::string, std::string_view>> all;
    JsonReader in(text, where);
    in.enter_object();
    for (std::string key; in.next_key(key);) all.emplace_back(key, skipped(in, text));
    return all;
  }
  static std::vector<std::string_view> items(std::string_view text, std::string const& where) {
    std::vector<std::string_view> all;
    JsonReader in(text, where);
    in.enter_array();
    while (in.next_item()) all.push_back(skipped(in, text));
    if (all.empty()) fail("schema", where + " is empty", "at least one value");
    return all;
  }
  static std::string_view skipped(JsonReader& in, std::string_view text) {
    in.peek();  // past white space
    const std::size_t from = in.at();
    in.skip();
    return text.substr(from, in.at() - from);
  }
  static bool is(std::string_view text, json kind) { return JsonReader(text, "schema").peek() == kind; }
  static int count(std::string_view text, std::string const& where, int otherwise) {
    if (text.empty()) return otherwise;
    JsonReader in(text, where);
    const long long n = in.integer();
    if (n < 0 || n > 1000000) fail("schema", where + " is " + std::to_string(n), "0 to 1000000");
    return static_cast<int>(n);
  }

  int new_rule() {
    grammar_.rules.emplace_back();
    return static_cast<int>(grammar_.rules.size()) - 1;
  }
  void set_rule(int i, Expression e) { grammar_.rules[static_cast<std::size_t>(i)] = std::move(e); }
  Expression as_rule(Expression e) {
    const int i = new_rule();
    set_rule(i, std::move(e));
    return rule(i);
  }

  static Expression comma() { return sequence({literal(","), optional(literal(" "))}); }
  static Expression colon() { return sequence({literal(":"), optional(literal(" "))}); }
  static Expression quoted(Expression inside) { return sequence({literal("\""), std::move(inside), literal("\"")}); }
  static Expression any_string() { return quoted(repeat(characters({{0, last_character}}, true), 0)); }
  static Expression integer() { return regex("-?(0|[1-9][0-9]{0,14})"); }
  static Expression number() { return regex("-?(0|[1-9][0-9]{0,14})(\\.[0-9]{1,15})?([eE][+-]?[0-9]{1,2})?"); }
  static Expression boolean() { return choice({literal("true"), literal("false")}); }

  /// Between `open` and `close`: least to most of a part, with commas between them.
  static Expression list(const char* open, Expression const& part, int least, int most, const char* close) {
    Expression inside;
    if (most != 0) {
      const int more = most < 0 ? most : most - 1;
      inside = sequence({part, repeat(sequence({comma(), part}), least > 1 ? least - 1 : 0, more)});
      if (least == 0) inside = optional(std::move(inside));
    }
    return sequence({literal(open), std::move(inside), literal(close)});
  }
  /// Any properties, each with such a value.
  static Expression object_of(Expression const& value) {
    return list("{", sequence({any_string(), colon(), value}), 0, Expression::unbounded, "}");
  }
  /// Any value.
  Expression any() {
    if (any_ == 0) {
      any_ = new_rule();
      const Expression object = as_rule(object_of(rule(any_)));
      const Expression array = as_rule(list("[", rule(any_), 0, Expression::unbounded, "]"));
      set_rule(any_, choice({object, array, any_string(), number(), boolean(), literal("null")}));
    }
    return rule(any_);
  }

  Expression schema(std::string_view text, std::string const& where) {
    if (is(text, json::boolean)) {
      if (!JsonReader(text, where).boolean()) fail("schema", where + " is false", "a schema that something fits");
      return any();
    }
    Keywords k{where};
    for (auto& member : members(text, where))
      if (!says_nothing(member.first)) k.left.push_back(std::move(member));
    if (const auto pointer = k.take("$ref"); !pointer.empty()) {
      k.none_left("beside '$ref'");
      return rule(reference(JsonReader(pointer, where + ".$ref").string(), where));
    }
    if (const auto list = k.take("anyOf"); !list.empty()) {
      k.none_left("beside 'anyOf'");
      std::vector<Expression> all;
      for (const auto one : items(list, where + ".anyOf"))
        all.push_back(schema(one, where + ".anyOf[" + std::to_string(all.size()) + ']'));
      return choice(std::move(all));
    }
    const std::vector<std::string> types = types_of(k.take("type"), where);
    if (k.has("enum") || k.has("const")) return values(k, types);
    if (types.empty() && k.left.empty()) return any();
    std::vector<Expression> all;
    for (std::string const& type : types.empty() ? guessed(k) : types) all.push_back(of_type(type, k));
    k.none_left("here");
    return choice(std::move(all));
  }
  /// Of a schema's text; not of what it means.
  static bool says_nothing(std::string_view key) {
    for (const char* name : {"$schema", "$id", "$anchor", "$comment", "$defs", "definitions", "title", "description",
                             "default", "examples", "deprecated", "readOnly", "writeOnly"})
      if (key == name) return true;
    return false;
  }
  static std::vector<std::string> types_of(std::string_view text, std::string const& where) {
    std::vector<std::string> all;
    if (text.empty()) return all;
    if (is(text, json::string)) all.push_back(JsonReader(text, where).string());
    else
      for (const auto one : items(text, where + ".type")) all.push_back(JsonReader(one, where + ".type").string());
    return all;
  }
  static std::vector<std::string> guessed(Keywords const& k) {
    for (const char* name : {"properties", "required", "additionalProperties"})
      if (k.has(name)) return {"object"};
    for (const char* name : {"items", "minItems", "maxItems"})
      if (k.has(name)) return {"array"};
    for (const char* name : {"pattern", "minLength", "maxLength"})
      if (k.has(name)) return {"string"};
    k.none_left("here");
    return {};
  }

  /// The rule of what "#/$defs/NAME" and the like point to.
  int reference(std::string const& pointer, std::string const& where) {
    const auto [found, fresh] = refs_.try_emplace(pointer, 0);
    if (!fresh) return found->second;
    const int number = found->second = new_rule();
    std::string_view at = text_;
    if (pointer.substr(0, 2) != "#/")
      fail("schema", where + ": '$ref' to '" + pointer + '\'', "one to a place in this schema, #/...");
    for (std::size_t from = 2; from <= pointer.size();) {
      const std::size_t end = pointer.find('/', from) == std::string::npos ? pointer.size() : pointer.find('/', from);
      const std::string name = unescaped(pointer.substr(from, end - from));
      std::string_view next;
      if (is(at, json::object))
        for (auto const& [key, value] : members(at, where))
          if (key == name && next.empty()) next = value;
      if (next.empty()) fail("schema", where + ": '$ref' to '" + pointer + '\'', "a place that is there");
      at = next;
      from = end + 1;
    }
    set_rule(number, schema(at, pointer));
    return number;
  }
  /// A part of a JSON pointer (RFC 6901).
  static std::string unescaped(std::string const& part) {
    std::string s;
    for (std::size_t i = 0; i < part.size(); ++i) {
      const bool escaped = part[i] == '~' && i + 1 < part.size() && (part[i + 1] == '0' || part[i + 1] == '1');
      s += !escaped ? part[i] : part[++i] == '0' ? '~' : '/';
    }
    return s;
  }

  static Expression values(Keywords& k, std::vector<std::string> const& types) {
    std::vector<std::string_view> all;
    if (const auto one = k.take("const"); !one.empty()) all.push_back(one);
    else all = items(k.take("enum"), k.where + ".enum");
    k.none_left("beside 'const' or 'enum'");
    std::vector<Expression> spelt;
    for (const auto value : all)
      if (fits(value, types)) spelt.push_back(literal(compact(value)));
    if (spelt.empty()) fail("schema", k.where + " has no value of its type", "at least one");
    return choice(std::move(spelt));
  }
  static bool fits(std::string_view value, std::vector<std::string> const& types) {
    JsonReader in(value, "schema");
    const json kind = in.peek();
    for (std::string const& type : types)
      if (type == "object"    ? kind == json::object
          : type == "array"   ? kind == json::array
          : type == "string"  ? kind == json::string
          : type == "boolean" ? kind == json::boolean
          : type == "null"    ? kind == json::null
          : type == "integer" ? in.whole_next()
                              : kind == json::number)
        return true;
    return types.empty();
  }
  /// A value without white space, its strings spelt as any here.
  static std::string compact(std::string_view value) {
    std::string s;
    if (is(value, json::object)) {
      for (auto const& [key, of] : members(value, "schema"))
        s.append(s.empty() ? "{" : ",").append(json_quoted(key)).append(":").append(compact(of));
      return s.empty() ? "{}" : s + '}';
    }
    if (is(value, json::array)) {
      JsonReader in(value, "schema");
      in.enter_array();
      while (in.next_item()) s.append(s.empty() ? "[" : ",").append(compact(skipped(in, value)));
      return s.empty() ? "[]" : s + ']';
    }
    if (is(value, json::string)) return json_quoted(JsonReader(value, "schema").string());
    return std::string(value);
  }

  Expression of_type(std::string const& type, Keywords& k) {
    if (type == "object") return as_rule(object(k));
    if (type == "array") return as_rule(array(k));
    if (type == "string") return string(k);
    if (type == "integer") return integer();
    if (type == "number") return number();
    if (type == "boolean") return boolean();
    if (type == "null") return literal("null");
    fail("schema", k.where + ": the type '" + type + '\'', "object, array, string, integer, number, boolean or null");
  }
  static Expression string(Keywords& k) {
    const auto pattern = k.take("pattern"), least = k.take("minLength"), most = k.take("maxLength");
    if (pattern.empty())
      return quoted(repeat(characters({{0, last_character}}, true), count(least, k.where + ".minLength", 0),
                           bound(count(least, k.where, 0), count(most, k.where + ".maxLength", -1), k.where)));
    if (!least.empty() || !most.empty())
      fail("schema", k.where + ": 'minLength' and 'maxLength' are not available beside 'pattern'", {},
           "{m,n} in it says the same");
    return quoted(regex(JsonReader(pattern, k.where).string(), {.in_string = true, .search = true}));
  }
  static int bound(int least, int most, std::string const& where) {
    if (most >= 0 && most < least)
      fail("schema", where + " has at least " + std::to_string(least) + " and at most " + std::to_string(most),
           "a number between them");
    return most;
  }
  Expression array(Keywords& k) {
    const auto of = k.take("items");
    const int least = count(k.take("minItems"), k.where + ".minItems", 0);
    const int most = bound(least, count(k.take("maxItems"), k.where + ".maxItems", Expression::unbounded), k.where);
    return list("[", of.empty() ? any() : schema(of, k.where + ".items"), least, most, "]");
  }
  Expression object(Keywords& k) {
    const auto named = k.take("properties"), others = k.take("additionalProperties");
    std::vector<std::string> required;
    if (const auto names = k.take("required"); !names.empty()) {
      JsonReader in(names, k.where + ".required");
      in.enter_array();
      while (in.next_item()) required.push_back(in.string());
    }
    const auto all = named.empty() ? std::vector<std::pair<std::string, std::string_view>>{} : members(named, k.where);
    for (std::string const& name : required) {
      bool found = false;
      for (auto const& [key, value] : all) found = found || key == name;
      if (!found) fail("schema", k.where + " requires '" + name + '\'', "one of its 'properties'");
    }
    const bool closed = !others.empty() && is(others, json::boolean) && !JsonReader(others, k.where).boolean();
    if (named.empty() && !closed)
      return object_of(others.empty() ? any() : schema(others, k.where + ".additionalProperties"));

    // In order, each that is not required or not. What may come first has no comma before it, and nothing but optional
    // properties before it.
    std::vector<Expression> parts;
    std::vector<bool> needed;
    for (auto const& [key, value] : all) {
      parts.push_back(sequence({literal(json_quoted(key)), colon(), schema(value, k.where + ".properties." + key)}));
      needed.push_back(false);
      for (std::string const& name : required) needed.back() = needed.back() || name == key;
    }
    std::vector<Expression> firsts;
    bool may_be_empty = true;
    for (std::size_t i = 0; i < parts.size() && may_be_empty; ++i) {
      std::vector<Expression> from{parts[i]};
      for (std::size_t j = i + 1; j < parts.size(); ++j) {
        Expression more = sequence({comma(), parts[j]});
        from.push_back(needed[j] ? std::move(more) : optional(std::move(more)));
      }
      firsts.push_back(sequence(std::move(from)));
      may_be_empty = !needed[i];
    }
    if (may_be_empty) firsts.emplace_back();
    return sequence({literal("{"), choice(std::move(firsts)), literal("}")});
  }

  std::string_view text_;
  Grammar grammar_;
  std::map<std::string, int> refs_;
  int any_ = 0;  ///< a rule; 0: not made yet
};

}  // namespace detail

/// The texts that fit a schema. Throws on what it says and this does not do, with its place.
inline Grammar json_schema(std::string_view schema) { return detail::SchemaReader(schema).whole(); }
/// Any JSON object.
inline Grammar json_object() { return detail::SchemaReader({}).any_object(); }

}  // namespace fauna::inline v0::grammar
