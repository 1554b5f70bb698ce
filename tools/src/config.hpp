// A model's config.json, read so that nothing in it is passed over: each field is used, known to change nothing in what
// the model is wanted for, or an error that names the field, its value, and what is known.
#pragma once
#include <initializer_list>
#include <map>
#include <nlohmann/json.hpp>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include <fauna/core/error.hpp>
#include <fauna/io/file.hpp>
#include <tools/src/say.hpp>

namespace tool {

/// What a config.json is read for.
struct Use {
  bool training = false;        ///< from scratch; else for inference
  bool further = false;         ///< in inference, but with the layers that predict further tokens
  bool ignore_unknown = false;  ///< fields that are not known here are passed over, with a note
};

/// The fields of a JSON object, ticked off as they are read. A field that is null counts as absent.
class Config {
 public:
  using Json = nlohmann::json;

  explicit Config(std::string const& path, Use use = {}) : where_(path + ": "), use_(use) {
    try {
      fields_ = Json::parse(without_infinity(fauna::read_file(path)), refuse_twice(path));
    } catch (Json::exception const& e) {
      fauna::fail("config", path + " is no JSON", "a model's config.json", e.what());
    }
    if (!fields_.is_object()) fauna::fail("config", path + " is no object", "a model's config.json");
  }
  Use const& use() const { return use_; }
  [[noreturn]] void wrong(std::string const& field, std::string const& expected, std::string const& hint = {}) const {
    fauna::fail("config", where_ + field + " = " + (has(field) ? fields_[field].dump() : "nothing"), expected, hint);
  }
  bool has(std::string const& field) const { return fields_.contains(field) && !fields_[field].is_null(); }
  /// Is the field there, null or not?
  bool says(std::string const& field) const { return fields_.contains(field); }
  Json const* find(std::string const& field) {
    used_.insert(field);
    return has(field) ? &fields_[field] : nullptr;
  }

  bool was_read(std::string const& field) const { return used_.count(field) > 0; }

  /// A number of things; `otherwise`, where it is given and the field is absent.
  int whole(std::string const& field, int otherwise = 0) {
    constexpr int most = 1'000'000'000;
    Json const* j = find(field);
    if (j == nullptr && otherwise > 0) return otherwise;
    if (j == nullptr || !j->is_number_integer() || *j < 1 || *j > most) wrong(field, "a whole number, 1 to 1000000000");
    return j->get<int>();
  }
  /// A number above 0; `otherwise`, where it is given and the field is absent.
  double positive(std::string const& field, double otherwise = 0) {
    Json const* j = find(field);
    if (j == nullptr && otherwise > 0) return otherwise;
    if (j == nullptr || !j->is_number() || !(j->get<double>() > 0)) wrong(field, "a number above 0");
    return j->get<double>();
  }
  /// A number from 0 to below 1.
  float share(std::string const& field, float otherwise) {
    Json const* j = find(field);
    if (j == nullptr) return otherwise;
    if (!j->is_number() || !(j->get<double>() >= 0 && j->get<double>() < 1)) wrong(field, "a number from 0 to below 1");
    return j->get<float>();
  }
  bool flag(std::string const& field, bool otherwise) {
    Json const* j = find(field);
    if (j == nullptr) return otherwise;
    if (!j->is_boolean()) wrong(field, "true or false");
    return j->get<bool>();
  }
  std::string word(std::string const& field, std::string const& otherwise) {
    Json const* j = find(field);
    if (j == nullptr) return otherwise;
    if (!j->is_string()) wrong(field, "a text");
    return j->get<std::string>();
  }
  /// One of the words that are known, mapped to what it stands for.
  template <class T>
  T one_of(std::string const& field, std::map<std::string, T> const& known, std::string const& otherwise) {
    const auto found = known.find(word(field, otherwise));
    if (found != known.end()) return found->second;
    std::string all;
    for (auto const& k : known) all += (all.empty() ? "" : ", ") + k.first;
    wrong(field, "one of " + all);
  }
  /// A token id or a list of them; none where the field is absent. -1 stands for none too.
  std::vector<long long> ids(std::string const& field) {
    Json const* j = find(field);
    if (j == nullptr) return {};
    std::vector<long long> all;
    for (Json const& id : j->is_array() ? *j : Json::array({*j})) {
      if (!id.is_number_integer() || id < -1) wrong(field, "a token id or a list of them");
      if (id >= 0) all.push_back(id.get<long long>());
    }
    return all;
  }
  /// The fields of an object inside this one.
  std::optional<Config> inner(std::string const& field) {
    Json const* j = find(field);
    if (j == nullptr) return {};
    if (!j->is_object()) wrong(field, "an object");
    return Config(where_ + field + '.', *j, use_);
  }

  /// A field as it is in another object, where it is absent here. Throws where the two differ.
  void take(Config& from, std::string const& field) {
    Json const* j = from.find(field);
    if (j == nullptr) return;
    if (has(field) && fields_[field] != *j) wrong(field, j->dump() + ", as " + from.where_ + field);
    fields_[field] = *j;
  }

  /// A field that has this value, or is absent.
  void only(std::string const& field, Json const& value) {
    Json const* j = find(field);
    if (j != nullptr && *j != value) wrong(field, value.dump() + ", the only value that is implemented");
  }
  /// Fields that matter in training, in other tasks, or nowhere.
  void without_effect(std::initializer_list<const char*> fields) {
    for (const char* f : fields) used_.insert(f);
  }
  /// What tools write to say that a file went through them.
  void without_stamps() {
    for (auto const& field : fields_.items())
      if (field.key().ends_with("_version") || field.key().starts_with("unsloth_")) used_.insert(field.key());
  }
  /// Throws if there is a field that nothing has read, unless such are to be ignored.
  void all_used(std::string const& of) const {
    for (auto const& field : fields_.items()) {
      if (used_.count(field.key()) > 0 || field.value().is_null()) continue;
      if (!use_.ignore_unknown)
        wrong(field.key(), "no such field for " + of + ": what it would change is not implemented",
              "if it changes nothing, --ignore-unknown-config passes over it");
      say(where_ + field.key() + " = " + field.value().dump() + " is ignored");
    }
  }

 private:
  Config(std::string where, Json fields, Use use) : where_(std::move(where)), use_(use), fields_(std::move(fields)) {}

  /// Python writes an infinite number as the word Infinity, which is no JSON; newer versions of the reference library
  /// as an object that holds the word.
  static std::string without_infinity(std::string const& text) {
    constexpr std::string_view word = "Infinity";
    std::string all;
    bool inside = false;  // a text
    for (std::size_t i = 0; i < text.size(); ++i) {
      if (!inside && text.compare(i, word.size(), word) == 0) {
        all += R"({"__float__": "Infinity"})";
        i += word.size() - 1;
        continue;
      }
      if (inside && text[i] == '\\' && i + 1 < text.size()) all += text[i++];
      else if (text[i] == '"') inside = !inside;
      all += text[i];
    }
    return all;
  }

  static Json::parser_callback_t refuse_twice(std::string const& path) {
    return [path, open = std::vector<std::set<std::string>>()](int, Json::parse_event_t event, Json& at) mutable {
      if (event == Json::parse_event_t::object_start) open.emplace_back();
      if (event == Json::parse_event_t::object_end) open.pop_back();
      if (event == Json::parse_event_t::key && !open.back().insert(at.get<std::string>()).second)
        fauna::fail("config", path + " has " + at.dump() + " twice", "it once");
      return true;
    };
  }

  std::string where_;
  Use use_;
  Json fields_;
  std::set<std::string> used_;
};

/// What may stand in several fields of a file, as versions of a format come and go: all of them say the same.
class Agreed {
 public:
  void add(Config& c, std::string const& field) {
    if (!c.has(field)) return;
    const double v = c.positive(field);
    if (!from_.empty() && v != value_) c.wrong(field, "the " + std::to_string(value_) + " of " + from_);
    value_ = v;
    from_ = field;
  }
  double or_else(double otherwise) const { return from_.empty() ? otherwise : value_; }

 private:
  double value_ = 0;
  std::string from_;
};

}  // namespace tool
