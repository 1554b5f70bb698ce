// What a chat's request says of functions that the model may call, and messages that say what was called.
#pragma once
#include <algorithm>
#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include <fauna/io/json.hpp>
#include <tools/src/serve/fields.hpp>

namespace tool::serve {

/// A function, and the JSON schema of its arguments as it was written; empty: it takes none.
struct Callable {
  std::string name{}, parameters{};
  bool operator==(Callable const&) const = default;
};

/// How a model writes a call, which is its template's to say.
enum class call_style : std::uint8_t {
  tagged,  ///< <tool_call>{"name": ..., "arguments": {...}}</tool_call>: ChatML's, as Qwen and Hermes have it
  bare     ///< {"name": ..., "parameters": {...}}: Llama 3's, perhaps behind <|python_tag|>
};

/// What a text may call.
struct Calls {
  std::vector<Callable> of{};
  bool must = false;    ///< call at least one of them, and say nothing else
  bool several = true;  ///< more than once
  call_style style = call_style::tagged;
  bool operator==(Calls const&) const = default;
};

/// The tools of a request: the list as it was written, for the template; empty: there are none.
struct Tools {
  std::string written{};
  Calls calls{};
};

namespace tools_detail {

constexpr std::size_t most_tools = 128, most_name = 64;

inline void require_name(std::string const& where, Json const& name) {
  const auto fits = [](std::string const& s) {
    return !s.empty() && s.size() <= most_name && std::all_of(s.begin(), s.end(), [](char c) {
      return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' || c == '-';
    });
  };
  if (!name.is_string() || !fits(name.get_ref<std::string const&>()))
    Fields::wrong(where, name, "up to 64 letters, digits, _ and -");
}

/// An object of the type `function`, with the member `function`: that.
inline Json const& function_of(std::string const& where, Json const& one) {
  if (!one.is_object()) Fields::wrong(where, one, "an object with type and function");
  if (const Json type = one.value("type", Json()); type != "function") Fields::wrong(where + ".type", type, "function");
  const auto function = one.find("function");
  if (function == one.end() || !function->is_object())
    Fields::wrong(where + ".function", function == one.end() ? Json() : *function, "an object with a name");
  require_name(where + ".function.name", function->value("name", Json()));
  return *function;
}

/// The items of a list, as it spells them.
inline std::vector<std::string> items(std::string const& list) {
  std::vector<std::string> all;
  fauna::JsonReader in(list, "the body");
  in.enter_array();
  while (in.next_item()) {
    in.peek();  // past white space
    const std::size_t from = in.at();
    in.skip();
    all.push_back(list.substr(from, in.at() - from));
  }
  return all;
}

inline std::vector<Callable> callables(Fields const& f, Json const& list) {
  if (list.size() > most_tools)
    throw bad_request("'tools' has " + std::to_string(list.size()) + " tools, expected at most 128.", "tools");
  std::vector<Callable> all;
  for (std::size_t i = 0; i < list.size(); ++i) {
    const std::string where = "tools[" + std::to_string(i) + ']';
    Json const& function = function_of(where, list[i]);
    for (const char* name : {"description", "parameters", "strict"}) {
      const Json value = function.value(name, Json());
      const bool right = std::string_view(name) == "description" ? value.is_string()
                         : std::string_view(name) == "parameters"
                             ? value.is_object() && value.value("type", Json("object")) == "object"
                             : value.is_boolean();
      if (!value.is_null() && !right)
        Fields::wrong(where + ".function." + name, value,
                      std::string_view(name) == "description"  ? "a text"
                      : std::string_view(name) == "parameters" ? "a JSON schema of an object"
                                                               : "true or false");
    }
    all.push_back({.name = function["name"].get<std::string>()});
  }
  try {
    const std::vector<std::string> spelt = items(f.written("tools"));
    for (std::size_t i = 0; i < all.size(); ++i)
      if (const Json p = list[i]["function"].value("parameters", Json()); !p.is_null())
        all[i].parameters = Fields::written(Fields::written(spelt[i], "function"), "parameters");
  } catch (fauna::error const&) {  // what other readers of JSON take
    throw bad_request("'tools' is nested too deeply.", "tools");
  }
  return all;
}

/// The only ones that may be called are those with such names.
inline void choose(Calls& calls, std::vector<std::string> const& names) {
  for (std::string const& name : names)
    if (std::none_of(calls.of.begin(), calls.of.end(), [&](Callable const& c) { return c.name == name; }))
      throw bad_request("'tool_choice' is the function '" + name + "', which is not among 'tools'.", "tool_choice");
  std::erase_if(calls.of,
                [&](Callable const& c) { return std::find(names.begin(), names.end(), c.name) == names.end(); });
}

}  // namespace tools_detail

/// `tools`, `tool_choice` and `parallel_tool_calls`.
inline Tools tools(Fields const& f) {
  namespace detail = tools_detail;
  Tools t;
  Json const *list = f.find("tools"), *choice = f.find("tool_choice");
  t.calls.several = f.flag("parallel_tool_calls", true);
  if (list != nullptr && !list->is_array()) Fields::wrong("tools", *list, "a list");
  if (list == nullptr || list->empty()) {
    for (const char* name : {"tool_choice", "parallel_tool_calls"})
      if (Json const* given = f.find(name); given != nullptr && *given != "none" && *given != "auto")
        throw bad_request(std::string("'") + name + "' is for requests with 'tools' alone.", name);
    return t;
  }
  t.calls.of = detail::callables(f, *list);
  t.written = f.written("tools");
  if (choice == nullptr || *choice == "auto") return t;
  if (*choice == "none") return {};  // nor does the template hear of them
  if (*choice == "required") {
    t.calls.must = true;
    return t;
  }
  const Json type = choice->is_object() ? choice->value("type", Json()) : Json();
  if (type == "function") {
    detail::choose(t.calls, {detail::function_of("tool_choice", *choice)["name"].get<std::string>()});
    t.calls.must = true;
    t.calls.several = false;
  } else if (type == "allowed_tools") {
    const Json allowed = choice->value("allowed_tools", Json()),
               mode = allowed.is_object() ? allowed.value("mode", Json()) : Json(),
               some = allowed.is_object() ? allowed.value("tools", Json()) : Json();
    if ((mode != "auto" && mode != "required") || !some.is_array() || some.empty())
      Fields::wrong("tool_choice.allowed_tools", allowed, "an object with mode (auto or required) and tools");
    std::vector<std::string> names;
    for (std::size_t i = 0; i < some.size(); ++i)
      names.push_back(detail::function_of("tool_choice.allowed_tools.tools[" + std::to_string(i) + ']', some[i])["name"]
                          .get<std::string>());
    detail::choose(t.calls, names);
    t.calls.must = mode == "required";
  } else {
    Fields::wrong("tool_choice", *choice, "none, auto, required, or an object of the type function or allowed_tools");
  }
  return t;
}

/// The calls of an assistant's message as templates read them: their arguments are an object, not a text of one.
/// `names` gets what each id called.
inline std::string said_calls(Json const& list, std::string const& where,
                              std::vector<std::pair<std::string, std::string>>& names) {
  if (!list.is_array()) Fields::wrong(where, list, "a list of calls");
  std::string all;
  for (std::size_t i = 0; i < list.size(); ++i) {
    const std::string at = where + '[' + std::to_string(i) + ']';
    Json const& function = tools_detail::function_of(at, list[i]);
    const Json id = list[i].value("id", Json()), arguments = function.value("arguments", Json());
    if (!id.is_string()) Fields::wrong(at + ".id", id, "a text");
    if (!arguments.is_string()) Fields::wrong(at + ".function.arguments", arguments, "a text of a JSON object");
    std::string object = arguments.get<std::string>();
    if (object.find_first_not_of(" \t\r\n") == std::string::npos) object = "{}";
    try {
      fauna::JsonReader in(object, "arguments");
      if (in.peek() != fauna::json::object) in.wrong("an object");
      in.skip();
      in.end();
    } catch (fauna::error const&) {
      throw bad_request("'" + at + ".function.arguments' is no text of a JSON object.", at + ".function.arguments");
    }
    const std::string name = function["name"].get<std::string>();
    names.emplace_back(id.get<std::string>(), name);
    all += (all.empty() ? "" : ", ") + (R"({"id": )" + fauna::json_quoted(names.back().first)) +
           R"(, "type": "function", "function": {"name": )" + fauna::json_quoted(name) + R"(, "arguments": )" + object +
           "}}";
  }
  return '[' + all + ']';
}

}  // namespace tool::serve
