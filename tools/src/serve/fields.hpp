// Fields of a request's JSON: each with its type and its range, or a refusal that names it. null is as good as absent.
#pragma once
#include <cmath>
#include <cstdint>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <string_view>

#include <fauna/io/json.hpp>

#include <tools/src/serve/refusal.hpp>

namespace tool::serve {

using Json = nlohmann::json;

/// A value in a sentence, cut where it is long.
inline std::string shown(Json const& value) {
  constexpr std::size_t most = 60;
  if (value.is_structured()) return value.is_array() ? "a list" : "an object";
  std::string text = value.dump(-1, ' ', true, Json::error_handler_t::replace);
  return text.size() > most ? text.substr(0, most) + "..." : text;
}

class Fields {
 public:
  /// Throws on what is no JSON object in valid UTF-8.
  explicit Fields(std::string_view body) try : object_(Json::parse(body)), body_(body) {
    if (!object_.is_object()) throw bad_request("The body is " + shown(object_) + ", expected a JSON object.");
  } catch (Json::exception const&) {
    throw bad_request("The body is no JSON in UTF-8.");
  }

  /// The value of a field; a null pointer where there is none.
  Json const* find(const char* name) const {
    const auto at = object_.find(name);
    return at == object_.end() || at->is_null() ? nullptr : &*at;
  }
  Json const& need(const char* name) const {
    Json const* value = find(name);
    if (value == nullptr) throw bad_request(std::string("'") + name + "' is missing.", name);
    return *value;
  }
  /// A field's value as the body spells it: there an object's members have their order.
  std::string written(std::string const& name) const { return written(body_, name); }
  /// The same of another object's text; empty where it has no such member.
  static std::string written(std::string const& object, std::string const& name) {
    fauna::JsonReader in(object, "the body");
    std::string found;
    in.enter_object();
    for (std::string key; in.next_key(key);) {
      in.peek();  // past white space
      const std::size_t from = in.at();
      in.skip();
      if (key == name) found = object.substr(from, in.at() - from);
    }
    return found;
  }
  [[noreturn]] static void wrong(std::string const& name, Json const& value, std::string const& expected) {
    throw bad_request("'" + name + "' is " + shown(value) + ", expected " + expected + ".", name);
  }

  float number(const char* name, double least, double most, double otherwise) const {
    Json const* value = find(name);
    if (value == nullptr) return static_cast<float>(otherwise);
    const double x = value->is_number() ? value->get<double>() : std::nan("");
    if (!(x >= least && x <= most))
      wrong(name, *value, "a number from " + Json(least).dump() + " to " + Json(most).dump());
    return static_cast<float>(x);
  }
  int whole(const char* name, int least, int most, int otherwise) const {
    Json const* value = find(name);
    return value == nullptr ? otherwise : whole_of(name, *value, least, most);
  }
  /// A whole number's value, of 16 and of 16.0 alike, as JSON Schema has it; none where it is no such, or less than
  /// -2^63 or more than 2^63 - 1.
  static std::optional<std::int64_t> whole_number(Json const& value) {
    if (value.is_number_integer()) {
      const bool fits = !value.is_number_unsigned() || value.get<std::uint64_t>() >> 63 == 0;
      return fits ? std::optional(value.get<std::int64_t>()) : std::nullopt;
    }
    const double x = value.is_number() ? value.get<double>() : std::nan("");
    if (!(x >= -0x1p63 && x < 0x1p63) || x != std::trunc(x)) return std::nullopt;
    return static_cast<std::int64_t>(x);
  }
  static int whole_of(std::string const& name, Json const& value, int least, int most) {
    const std::int64_t n = whole_number(value).value_or(std::int64_t{least} - 1);
    if (n < least || n > most)
      wrong(name, value, "a whole number from " + std::to_string(least) + " to " + std::to_string(most));
    return static_cast<int>(n);
  }
  bool flag(const char* name, bool otherwise = false) const {
    Json const* value = find(name);
    if (value == nullptr) return otherwise;
    if (!value->is_boolean()) wrong(name, *value, "true or false");
    return value->get<bool>();
  }
  std::string text(const char* name) const {
    Json const* value = find(name);
    if (value == nullptr) return {};
    if (!value->is_string()) wrong(name, *value, "a text");
    return value->get<std::string>();
  }

 private:
  Json object_;
  std::string body_;
};

}  // namespace tool::serve
