// The bodies of /v1/completions and /v1/chat/completions as plain values. What is read and cannot be done is refused by
// its name; a field that is not known is passed over.
#pragma once
#include <algorithm>
#include <array>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <tuple>
#include <utility>
#include <variant>
#include <vector>

#include <fauna/decode/sampling.hpp>
#include <fauna/text/grammar/mask.hpp>
#include <tools/src/serve/fields.hpp>
#include <tools/src/serve/tools.hpp>
#include <tools/src/turn.hpp>

namespace tool::serve {

/// A prompt: a text, or the ids of its tokens.
using Prompt = std::variant<std::string, std::vector<int>>;

/// What a text must be.
struct Shape {
  enum class kind { any, regex, schema, object };
  kind is = kind::any;
  std::string text{};   ///< a regular expression, or a JSON schema as it was written
  std::string field{};  ///< that says so
  Calls calls{};        ///< what it may call beside that; or instead, where it must
};

/// How tokens are drawn, and where a text ends.
struct Drawing {
  fauna::Sampling sampling{};
  float presence = 0, frequency = 0;  ///< taken from the logit of each token that the text has, once and each time
  std::vector<std::pair<int, float>> bias{};  ///< added to logits
  std::optional<std::uint64_t> seed{};
  std::vector<std::string> stop{};
  int tokens = -1;               ///< at most; -1: as many as the context holds
  int logprobs = -1;             ///< so many of the likeliest beside each token; -1: none at all
  bool prompt_logprobs = false;  ///< of the prompt's tokens, too
  std::shared_ptr<fauna::grammar::TokenGrammar> grammar{};  ///< that the text keeps to; null: it is any. The worker's
  std::vector<int> shown{};                                 ///< special tokens that a text shows: those about calls
};

struct Request {
  std::string model{};
  std::vector<Turn> messages{};                         ///< of a chat
  std::string template_values{}, documents{}, tools{};  ///< of a chat: JSON, as it was written; empty: none
  std::vector<Prompt> prompts{};                        ///< of completions
  std::string suffix{};                                 ///< of completions: what stands behind the text; empty: nothing
  int n = 1;                                            ///< texts of each prompt
  Drawing drawing{};
  Shape shape{};
  bool stream = false, include_usage = false, echo = false;
};

/// What a server takes at most: each of these is work or memory of its own.
struct Most {
  static constexpr int n = 128, texts = 128, stops = 4, stop_bytes = 1000, logprobs = 20, inputs = 2048,
                       tokens = 1000000000;
};

namespace request_detail {

/// Throws where a field asks for what is not there, in whatever way it says no.
inline void not_available(Fields const& f, const char* name, std::vector<Json> const& no, std::string const& what) {
  Json const* value = f.find(name);
  if (value == nullptr) return;
  for (Json const& none : no)
    if (*value == none) return;
  throw bad_request(std::string("'") + name + "' is not available here: " + what + '.', name, "unsupported_parameter");
}

inline std::vector<std::string> stops(Fields const& f) {
  Json const* value = f.find("stop");
  if (value == nullptr) return {};
  const Json list = value->is_array() ? *value : Json::array({*value});
  std::vector<std::string> all;
  for (Json const& stop : list) {
    if (!stop.is_string() || stop.get_ref<std::string const&>().empty() ||
        stop.get_ref<std::string const&>().size() > std::size_t{Most::stop_bytes})
      Fields::wrong("stop", stop, "a text of 1 to " + std::to_string(Most::stop_bytes) + " bytes");
    all.push_back(stop.get<std::string>());
  }
  if (all.size() > std::size_t{Most::stops})
    throw bad_request("'stop' has " + std::to_string(all.size()) + " texts, expected at most 4.", "stop");
  return all;
}

inline std::vector<std::pair<int, float>> biases(Fields const& f, int vocab) {
  Json const* value = f.find("logit_bias");
  if (value == nullptr) return {};
  if (!value->is_object()) Fields::wrong("logit_bias", *value, "an object of ids and biases");
  std::vector<std::pair<int, float>> all;
  for (auto const& [key, bias] : value->items()) {
    Json id = Json::parse(key, nullptr, false);  // a number, or what is discarded
    if (!id.is_number_integer()) id = key;
    const double b = bias.is_number() ? bias.get<double>() : std::nan("");
    if (!(b >= -100 && b <= 100)) Fields::wrong("logit_bias", bias, "a number from -100 to 100");
    all.emplace_back(Fields::whole_of("logit_bias", id, 0, vocab - 1), static_cast<float>(b));
  }
  return all;
}

inline Drawing drawing(Fields const& f, int vocab) {
  Drawing d;
  d.sampling.temperature = f.number("temperature", 0, 2, 1);
  const float top_p = f.number("top_p", 0, 1, 1);
  d.sampling.top_p = top_p > 0 ? top_p : 1e-9F;  // the likeliest alone
  d.sampling.top_k = f.whole("top_k", -1, Most::tokens, 0);
  if (d.sampling.top_k < 0) d.sampling.top_k = 0;
  d.sampling.min_p = f.number("min_p", 0, 1, 0);
  d.sampling.repetition_penalty = f.number("repetition_penalty", 0.01, 100, 1);
  d.presence = f.number("presence_penalty", -2, 2, 0);
  d.frequency = f.number("frequency_penalty", -2, 2, 0);
  d.bias = biases(f, vocab);
  d.stop = stops(f);
  if (Json const* seed = f.find("seed")) {
    const double large = seed->is_number_float() ? seed->get<double>() : 0;
    if (seed->is_number_unsigned()) d.seed = seed->get<std::uint64_t>();
    else if (large >= 0x1p63 && large < 0x1p64) d.seed = static_cast<std::uint64_t>(large);
    else if (const auto n = Fields::whole_number(*seed)) d.seed = static_cast<std::uint64_t>(*n);
    else Fields::wrong("seed", *seed, "a whole number from -2^63 to 2^64 - 1");
  }
  return d;
}

inline Shape shape(Fields const& f) {
  Shape s;
  const auto is = [&s](Shape::kind kind, std::string text, const char* field) {
    if (s.is != Shape::kind::any)
      throw bad_request("'" + s.field + "' and '" + field + "' both say what a text must be.", field);
    s = {kind, std::move(text), field};
  };
  for (const char* name : {"regex", "guided_regex"})
    if (f.find(name) != nullptr) is(Shape::kind::regex, f.text(name), name);
  const char* field = "response_format";
  Json const* format = f.find(field);
  if (format == nullptr) return s;
  const Json type = format->is_object() ? format->value("type", Json()) : Json();
  if (type == "json_object") is(Shape::kind::object, {}, field);
  else if (type == "json_schema") {
    const Json within = format->value("json_schema", Json());
    if (!within.is_object() || !within.value("schema", Json()).is_object())
      throw bad_request("'response_format.json_schema.schema' is missing.", field);
    try {
      is(Shape::kind::schema, Fields::written(Fields::written(f.written(field), "json_schema"), "schema"), field);
    } catch (fauna::error const&) {  // what other readers of JSON take
      throw bad_request("'response_format' is nested too deeply.", field);
    }
  } else if (type != "text") {
    Fields::wrong(field, *format, "an object with the type text, json_object or json_schema");
  }
  return s;
}

/// What both endpoints have.
inline Request common(Fields const& f, int vocab) {
  Request r;
  r.model = f.text("model");
  r.n = f.whole("n", 1, Most::n, 1);
  r.drawing = drawing(f, vocab);
  r.shape = shape(f);
  r.stream = f.flag("stream");
  if (Json const* options = f.find("stream_options")) {
    if (!r.stream) throw bad_request("'stream_options' is for 'stream': true alone.", "stream_options");
    if (!options->is_object()) Fields::wrong("stream_options", *options, "an object");
    if (const auto usage = options->find("include_usage"); usage != options->end() && !usage->is_null()) {
      if (!usage->is_boolean()) Fields::wrong("stream_options.include_usage", *usage, "true or false");
      r.include_usage = usage->get<bool>();
    }
  }
  return r;
}

/// A text, or parts that are texts, as newer clients write it.
inline std::string content(Json const& message, std::string const& where) {
  const auto value = message.find("content");
  if (value == message.end() || value->is_null()) throw bad_request("'" + where + "' is missing.", where);
  if (value->is_string()) return value->get<std::string>();
  if (!value->is_array()) Fields::wrong(where, *value, "a text, or a list of parts");
  std::string all;
  for (Json const& part : *value) {
    if (!part.is_object() || part.value("type", Json()) != "text" || !part.value("text", Json()).is_string())
      throw bad_request("'" + where + "' has a part that is no text, and this model reads nothing else.", where);
    all += part["text"].get<std::string>();
  }
  return all;
}

/// A text, a list of texts, ids, or a list of lists of ids.
inline std::vector<Prompt> prompts(Fields const& f, const char* name, int vocab) {
  Json const& all = f.need(name);
  std::vector<Prompt> found;
  const auto one = [&](Json const& p) {
    if (p.is_string()) {
      found.emplace_back(p.get<std::string>());
    } else if (p.is_array() && !p.empty()) {
      std::vector<int> ids;
      ids.reserve(p.size());
      for (Json const& id : p) ids.push_back(Fields::whole_of(name, id, 0, vocab - 1));
      found.emplace_back(std::move(ids));
    } else {
      Fields::wrong(name, p, "a text, a list of texts, ids, or a list of lists of ids");
    }
  };
  if (all.is_array() && !all.empty() && !all[0].is_number())
    for (Json const& p : all) one(p);
  else one(all);
  return found;
}

/// The messages of a chat. A tool's answer names a call that the conversation has.
inline std::vector<Turn> turns(Json const& messages) {
  if (!messages.is_array() || messages.empty()) Fields::wrong("messages", messages, "a list of at least one message");
  static constexpr std::array<std::string_view, 5> roles = {"system", "developer", "user", "assistant", "tool"};
  std::vector<Turn> all;
  std::vector<std::pair<std::string, std::string>> called;  // ids and names
  for (std::size_t i = 0; i < messages.size(); ++i) {
    const std::string where = "messages[" + std::to_string(i) + ']';
    Json const& m = messages[i];
    if (!m.is_object()) Fields::wrong(where, m, "an object with role and content");
    const Json role = m.value("role", Json());
    if (!role.is_string() || std::find(roles.begin(), roles.end(), role.get_ref<std::string const&>()) == roles.end())
      Fields::wrong(where + ".role", role, "system, developer, user, assistant or tool");
    Turn turn{.role = role == "developer" ? "system" : role.get<std::string>()};  // its newer name
    const Json calls = m.value("tool_calls", Json());
    const bool calls_some = !calls.is_null() && !calls.empty();
    if (calls_some && role != "assistant")
      throw bad_request("'" + where + ".tool_calls' is for messages of an assistant alone.", where + ".tool_calls");
    if (calls_some) turn.more = "{\"tool_calls\": " + said_calls(calls, where + ".tool_calls", called) + '}';
    if (!calls_some || !m.value("content", Json()).is_null()) turn.content = content(m, where + ".content");
    if (role == "tool") {
      const Json id = m.value("tool_call_id", Json());
      const auto call = std::find_if(called.begin(), called.end(), [&id](auto const& c) { return id == c.first; });
      if (call == called.end()) Fields::wrong(where + ".tool_call_id", id, "the id of a call in a message before it");
      turn.more = "{\"tool_call_id\": " + fauna::json_quoted(call->first) +
                  ", \"name\": " + fauna::json_quoted(call->second) + '}';
    }
    all.push_back(std::move(turn));
  }
  return all;
}

}  // namespace request_detail

/// The body of /v1/chat/completions. `vocab`: ids are below it.
inline Request chat_request(Fields const& f, int vocab) {
  namespace detail = request_detail;
  Request r = detail::common(f, vocab);
  Tools tools = serve::tools(f);
  r.tools = std::move(tools.written);
  r.shape.calls = std::move(tools.calls);
  detail::not_available(f, "functions", {Json::array()}, "'tools' say the same");
  detail::not_available(f, "function_call", {"none", "auto"}, "'tool_choice' says the same");
  detail::not_available(f, "modalities", {Json::array({"text"})}, "the model writes text alone");
  detail::not_available(f, "audio", {}, "the model writes text alone");
  detail::not_available(f, "web_search_options", {}, "nothing is searched for");
  r.drawing.tokens = f.whole("max_completion_tokens", 1, Most::tokens, f.whole("max_tokens", 1, Most::tokens, -1));
  const int top = f.whole("top_logprobs", 0, Most::logprobs, 0);
  if (f.flag("logprobs")) r.drawing.logprobs = top;
  else if (f.find("top_logprobs") != nullptr)
    throw bad_request("'top_logprobs' is for 'logprobs': true alone.", "top_logprobs");

  for (const auto& [name, list, to] :
       {std::tuple{"documents", true, &r.documents}, std::tuple{"chat_template_kwargs", false, &r.template_values}}) {
    Json const* value = f.find(name);
    if (value == nullptr) continue;
    if (list ? !value->is_array() : !value->is_object()) Fields::wrong(name, *value, list ? "a list" : "an object");
    *to = f.written(name);
  }
  r.messages = detail::turns(f.need("messages"));
  return r;
}

/// The body of /v1/completions.
inline Request completion_request(Fields const& f, int vocab) {
  namespace detail = request_detail;
  Request r = detail::common(f, vocab);
  if (f.whole("best_of", 1, Most::n, r.n) != r.n)
    throw bad_request("'best_of' is not available here but as large as 'n'.", "best_of", "unsupported_parameter");
  r.drawing.tokens = f.whole("max_tokens", 0, Most::tokens, 16);
  r.drawing.logprobs = f.whole("logprobs", 0, Most::logprobs, -1);
  r.echo = f.flag("echo");
  r.suffix = f.text("suffix");
  if (r.echo && !r.suffix.empty()) throw bad_request("'echo' is not available beside 'suffix'.", "echo");
  r.drawing.prompt_logprobs = r.echo && r.drawing.logprobs >= 0;
  r.prompts = detail::prompts(f, "prompt", vocab);
  if (r.prompts.size() * static_cast<std::size_t>(r.n) > std::size_t{Most::texts})
    throw bad_request(std::to_string(r.prompts.size()) + " prompts with 'n' = " + std::to_string(r.n) +
                          ", expected at most " + std::to_string(Most::texts) + " texts in all.",
                      "prompt");
  return r;
}

/// The body of /v1/embeddings.
struct EmbeddingRequest {
  std::string model{};
  std::vector<Prompt> inputs{};
  bool base64 = false;
};
inline EmbeddingRequest embedding_request(Fields const& f, int vocab, int width) {
  EmbeddingRequest r{.model = f.text("model"), .inputs = request_detail::prompts(f, "input", vocab)};
  if (r.inputs.size() > std::size_t{Most::inputs})
    throw bad_request("'input' has " + std::to_string(r.inputs.size()) + " texts, expected at most " +
                          std::to_string(Most::inputs) + '.',
                      "input");
  if (Json const* format = f.find("encoding_format")) {
    r.base64 = *format == "base64";
    if (!r.base64 && *format != "float") Fields::wrong("encoding_format", *format, "float or base64");
  }
  // Only models that were trained for it have fewer.
  if (f.find("dimensions") != nullptr && f.whole("dimensions", 1, Most::tokens, width) != width)
    throw bad_request("This model does not support specifying dimensions other than its " + std::to_string(width) + '.',
                      "dimensions", "unsupported_parameter");
  return r;
}

}  // namespace tool::serve
