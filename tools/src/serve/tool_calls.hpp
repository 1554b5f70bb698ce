// Calls of functions in what a model writes: read from a text as it comes, or the only thing that a text may be.
#pragma once
#include <array>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <fauna/io/json.hpp>
#include <fauna/text/grammar/json_schema.hpp>
#include <tools/src/serve/tools.hpp>

namespace tool::serve {

/// What stands before calls and behind them.
inline constexpr std::array<std::string_view, 4> call_tags = {"<tool_call>", "<|python_tag|>", "</tool_call>", ";"};
inline constexpr std::size_t openers = 2;  ///< of those, which come first

struct Call {
  std::string name{}, arguments{};  ///< arguments: a JSON object, as the model spelt it
};

/// Takes a text piece by piece, and gives what is said and what is called. A call is an object with the name of one of
/// the functions, and `arguments` or `parameters`, behind a tag, or at the beginning of the text, or behind another
/// call; it is given when it is whole. What only looks like one is text. Whatever may become a call is held back.
class CallReader {
 public:
  struct Read {
    std::string words{};
    std::vector<Call> calls{};
  };

  explicit CallReader(Calls calls = {}) : calls_(std::move(calls)) {}

  Read push(std::string const& words) {
    Read r;
    held_ += words;
    while (!held_.empty() && step(r)) {}
    return r;
  }
  /// The end of the text: what is held back is text, but for the tags behind a call.
  Read finish() {
    Read r;
    if (called_ && between_) held_.erase(0, past_tags());
    say(r, held_.size());
    return r;
  }

 private:
  static bool space(char c) { return c == ' ' || c == '\n' || c == '\t' || c == '\r'; }

  void say(Read& r, std::size_t n) {
    r.words.append(held_, 0, n);
    held_.erase(0, n);
  }
  /// Where a tag begins that says that a call follows, or may begin when more comes.
  std::size_t opening() const {
    std::size_t found = held_.size();
    for (std::size_t t = 0; t < openers; ++t) {
      const std::string_view tag = call_tags[t];
      const std::size_t from = held_.size() < tag.size() ? 0 : held_.size() - tag.size() + 1;
      if (const std::size_t at = held_.find(tag); at < found) found = at;
      for (std::size_t at = from; at < found; ++at)
        if (tag.starts_with(std::string_view(held_).substr(at))) found = at;
    }
    return found;
  }
  /// Behind the white space and the tags that held_ begins with.
  std::size_t past_tags() const {
    for (std::size_t at = 0;;) {
      const std::size_t before = at;
      while (at < held_.size() && space(held_[at])) ++at;
      for (const std::string_view tag : call_tags)
        if (std::string_view(held_).substr(at).starts_with(tag)) at += tag.size();
      if (at == before) return at;
    }
  }
  /// Behind the object that begins here; npos where its end has not come.
  std::size_t end_of_object(std::size_t at) const {
    int depth = 0;
    for (bool quoted = false; at < held_.size(); ++at) {
      const char c = held_[at];
      if (quoted && c == '\\') ++at;
      else if (c == '"') quoted = !quoted;
      else if (!quoted && (c == '{' || c == '[')) ++depth;
      else if (!quoted && (c == '}' || c == ']') && --depth == 0) return at + 1;
    }
    return std::string::npos;
  }
  std::optional<Call> call_of(std::string const& object) const try {
    Call call;
    const std::string name = Fields::written(object, "name");
    call.name = fauna::JsonReader(name, "a call").string();
    for (const char* key : {"arguments", "parameters"})
      if (call.arguments.empty()) call.arguments = Fields::written(object, key);
    if (call.arguments.empty()) call.arguments = "{}";
    if (call.arguments.front() == '"')
      call.arguments = fauna::JsonReader(std::string(call.arguments), "a call").string();
    fauna::JsonReader in(call.arguments, "a call");
    in.enter_object();
    for (std::string key; in.next_key(key);) in.skip();
    in.end();
    for (Callable const& c : calls_.of)
      if (c.name == call.name) return call;
    return std::nullopt;
  } catch (fauna::error const&) {
    return std::nullopt;
  }

  /// False: nothing is to be done before more has come.
  bool step(Read& r) {
    if (calls_.of.empty()) {
      say(r, held_.size());
      return false;
    }
    if (!between_) {
      std::size_t words = opening();
      while (words > 0 && space(held_[words - 1])) --words;
      say(r, words);
    }
    const std::size_t object = past_tags();
    const std::string_view rest = std::string_view(held_).substr(object);
    for (const std::string_view tag : call_tags)
      if (tag.starts_with(rest)) return false;  // or nothing is left
    if (rest[0] != '{') {
      if (between_ && called_) held_.erase(0, object);
      else if (!between_) say(r, object);
      between_ = false;
      return true;
    }
    const std::size_t end = end_of_object(object);
    if (end == std::string::npos) return false;
    if (auto call = call_of(held_.substr(object, end - object))) {
      if (calls_.several || !called_) r.calls.push_back(std::move(*call));
      held_.erase(0, end);
      between_ = called_ = true;
    } else {
      say(r, end);
      between_ = false;
    }
    return true;
  }

  Calls calls_;
  std::string held_{};
  bool between_ = true;  ///< nothing was said since the text, or a call, has begun or ended: an object may be a call
  bool called_ = false;
};

/// The texts that are calls: at least one, in the style of the model.
inline fauna::grammar::Grammar grammar_of(Calls const& calls) {
  namespace grammar = fauna::grammar;
  using grammar::literal;
  constexpr int most = 16;
  const bool tagged = calls.style == call_style::tagged;
  grammar::Grammar g{{grammar::Expression{}, grammar::Expression{}}};
  std::vector<grammar::Expression> one;
  for (Callable const& c : calls.of) {
    const std::string start = (tagged ? "<tool_call>\n" : "") + (R"({"name": )" + fauna::json_quoted(c.name)) + ", \"" +
                              (tagged ? "arguments" : "parameters") + "\": ";
    one.push_back(grammar::sequence(
        {literal(start), c.parameters.empty() ? literal("{}") : grammar::append(g, grammar::json_schema(c.parameters)),
         literal(tagged ? "}\n</tool_call>" : "}")}));
  }
  g.rules[1] = grammar::choice(std::move(one));
  const auto further = grammar::sequence({literal(tagged ? "\n" : "; "), grammar::rule(1)});
  g.rules[0] = grammar::sequence({grammar::rule(1), grammar::repeat(further, 0, calls.several ? most - 1 : 0)});
  return g;
}

}  // namespace tool::serve
