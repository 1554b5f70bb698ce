// What a server answers, in the JSON of the OpenAI API.
#pragma once
#include <cmath>
#include <ctime>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include <fauna/text/bpe.hpp>
#include <tools/src/base64.hpp>
#include <tools/src/serve/embedding.hpp>
#include <tools/src/serve/job.hpp>
#include <tools/src/serve/refusal.hpp>
#include <tools/src/serve/tool_calls.hpp>

namespace tool::serve {

using Reply = nlohmann::ordered_json;

/// As a line of text. What a tokenizer calls a token need not be UTF-8.
inline std::string text_of(Reply const& reply) { return reply.dump(-1, ' ', false, Reply::error_handler_t::replace); }

inline Reply error_reply(Refusal const& r) {
  const auto or_null = [](std::string const& s) { return s.empty() ? Reply() : Reply(s); };
  return {{"error", {{"message", r.what()}, {"type", r.type}, {"param", or_null(r.param)}, {"code", or_null(r.code)}}}};
}

/// What /v1/embeddings answers. base64: of little-endian f32.
inline Reply embeddings_reply(std::string const& model, Embeddings const& task, bool in_base64) {
  Reply data = Reply::array();
  std::size_t tokens = 0;
  for (std::size_t i = 0; i < task.vectors.size(); ++i) {
    auto const& v = task.vectors[i];
    tokens += task.texts[i].size();
    Reply vector = v;
    if (in_base64) vector = base64({reinterpret_cast<const char*>(v.data()), v.size() * sizeof(float)});
    data.push_back({{"object", "embedding"}, {"index", i}, {"embedding", std::move(vector)}});
  }
  return {{"object", "list"},
          {"data", std::move(data)},
          {"model", model},
          {"usage", {{"prompt_tokens", tokens}, {"total_tokens", tokens}}}};
}

enum class endpoint { completions, chat };

/// The replies to one request: whole, or chunk by chunk.
class Replies {
 public:
  /// `id` without its prefix. `calls`: what texts may call. `echoes`: what each text begins with; empty where nothing
  /// is.
  Replies(endpoint of, std::string const& id, std::string model, std::string fingerprint, fauna::Bpe const& tokenizer,
          Job const& job, Calls const& calls, std::vector<std::string> echoes)
      : chat_(of == endpoint::chat),
        id_((chat_ ? "chatcmpl-" : "cmpl-") + id),
        call_id_("call_" + id),
        model_(std::move(model)),
        fingerprint_(std::move(fingerprint)),
        tokenizer_(tokenizer),
        logprobs_(job.drawing.logprobs),
        n_(job.n),
        echoes_(std::move(echoes)),
        texts_(job.prompts.size() * static_cast<std::size_t>(job.n), Text{.reader = CallReader(calls)}) {
    for (auto const& prompt : job.prompts) prompt_tokens_ += prompt.size();
  }

  /// Takes a piece that has come, for whole().
  void add(Piece piece) {
    Text& text = text_at(piece.text);
    text.words += read(text, piece).words;
    text.logprobs.insert(text.logprobs.end(), piece.logprobs.begin(), piece.logprobs.end());
    text.finish = finish_of(text, piece);
    tokens_ += static_cast<std::size_t>(piece.tokens);
    cached_ += static_cast<std::size_t>(piece.cached);
  }
  Reply whole() const {
    Reply all = head(chat_ ? "chat.completion" : "text_completion");
    all["choices"] = Reply::array();
    for (std::size_t i = 0; i < texts_.size(); ++i) {
      Text const& t = texts_[i];
      Reply choice{{"index", i}};
      if (chat_) choice["message"] = message(i);
      else choice["text"] = echo(i) + t.words;
      choice["logprobs"] = logprobs(t.logprobs);
      choice["finish_reason"] = t.finish;
      all["choices"].push_back(choice);
    }
    all["usage"] = usage();
    return all;
  }

  /// The chunks of a stream that a piece makes; `with_usage`: they say that theirs is null.
  std::vector<Reply> chunks(Piece const& piece, bool with_usage) {
    Text& text = text_at(piece.text);
    const auto index = static_cast<std::size_t>(piece.text);
    std::vector<Reply> all;
    const auto chunk = [&](Reply choice) {
      Reply r = head(chat_ ? "chat.completion.chunk" : "text_completion");
      r["choices"] = Reply::array({std::move(choice)});
      if (with_usage) r["usage"] = nullptr;
      all.push_back(std::move(r));
    };
    const std::size_t calls = text.calls.size();
    const std::string words = read(text, piece).words, reason = finish_of(text, piece);
    const Reply finish = reason.empty() ? Reply() : Reply(reason);
    const auto delta = [&](Reply const& what, Reply const& logs, Reply const& end) {
      chunk({{"index", index}, {"delta", what}, {"logprobs", logs}, {"finish_reason", end}});
    };
    const bool says = !words.empty() || !piece.logprobs.empty();
    if (chat_) {
      if (!text.begun) delta({{"role", "assistant"}, {"content", ""}, {"refusal", nullptr}}, nullptr, nullptr);
      if (says) delta({{"content", words}}, logprobs(piece.logprobs), nullptr);
      for (std::size_t c = calls; c < text.calls.size(); ++c) {
        Reply begins = called(index, c);
        begins["index"] = c;
        begins["function"]["arguments"] = "";
        delta({{"tool_calls", Reply::array({std::move(begins)})}}, nullptr, nullptr);
        delta({{"tool_calls", Reply::array({{{"index", c}, {"function", {{"arguments", text.calls[c].arguments}}}}})}},
              nullptr, nullptr);
      }
      if (!piece.finish.empty()) delta(Reply::object(), nullptr, finish);
    } else {
      if (!text.begun && !echo(index).empty())
        chunk({{"index", index}, {"text", echo(index)}, {"logprobs", nullptr}, {"finish_reason", nullptr}});
      chunk({{"index", index}, {"text", words}, {"logprobs", logprobs(piece.logprobs)}, {"finish_reason", finish}});
    }
    text.begun = true;
    tokens_ += static_cast<std::size_t>(piece.tokens);
    cached_ += static_cast<std::size_t>(piece.cached);
    return all;
  }
  /// The last chunk, for clients that asked for usage.
  Reply usage_chunk() const {
    Reply r = head(chat_ ? "chat.completion.chunk" : "text_completion");
    r["choices"] = Reply::array();
    r["usage"] = usage();
    return r;
  }

 private:
  struct Text {
    std::string words{}, finish{};
    std::vector<TokenLogprob> logprobs{};
    bool begun = false;
    CallReader reader{};
    std::vector<Call> calls{};
  };
  /// What a piece says, apart from calls, which go to the text's.
  static CallReader::Read read(Text& text, Piece const& piece) {
    CallReader::Read all = text.reader.push(piece.words);
    if (!piece.finish.empty()) all.words += text.reader.finish().words;
    text.calls.insert(text.calls.end(), all.calls.begin(), all.calls.end());
    return all;
  }
  static std::string finish_of(Text const& text, Piece const& piece) {
    return piece.finish == "stop" && !text.calls.empty() ? "tool_calls" : piece.finish;
  }
  Reply called(std::size_t text, std::size_t i) const {
    Call const& call = texts_[text].calls[i];
    return {{"id", call_id_ + '_' + std::to_string(text) + '_' + std::to_string(i)},
            {"type", "function"},
            {"function", {{"name", call.name}, {"arguments", call.arguments}}}};
  }
  Reply message(std::size_t i) const {
    Text const& t = texts_[i];
    Reply m{{"role", "assistant"}, {"content", t.words}, {"refusal", nullptr}};
    if (t.calls.empty()) return m;
    if (t.words.empty()) m["content"] = nullptr;
    m["tool_calls"] = Reply::array();
    for (std::size_t c = 0; c < t.calls.size(); ++c) m["tool_calls"].push_back(called(i, c));
    return m;
  }
  Text& text_at(int i) { return texts_[static_cast<std::size_t>(i)]; }
  std::string echo(std::size_t i) const { return echoes_.empty() ? "" : echoes_[i / static_cast<std::size_t>(n_)]; }

  Reply head(const char* object) const {
    return {{"id", id_},
            {"object", object},
            {"created", created_},
            {"model", model_},
            {"system_fingerprint", fingerprint_}};
  }
  Reply usage() const {
    return {{"prompt_tokens", prompt_tokens_},
            {"completion_tokens", tokens_},
            {"total_tokens", prompt_tokens_ + tokens_},
            {"prompt_tokens_details", {{"cached_tokens", cached_}}}};
  }

  std::string spelling(int id) const { return std::string(tokenizer_.bytes(id)); }
  /// A token as the chat endpoint describes it.
  Reply described(int id, float logprob) const {
    Reply bytes;
    if (!tokenizer_.special(id)) {
      bytes = Reply::array();
      for (const char c : spelling(id)) bytes.push_back(static_cast<unsigned char>(c));
    }
    return {{"token", spelling(id)}, {"logprob", logprob}, {"bytes", bytes}};
  }
  Reply logprobs(std::vector<TokenLogprob> const& tokens) const {
    if (logprobs_ < 0) return nullptr;
    if (chat_) {
      Reply content = Reply::array();
      for (TokenLogprob const& t : tokens) {
        Reply entry = described(t.id, t.logprob);
        entry["top_logprobs"] = Reply::array();
        for (auto const& [id, logprob] : t.top) entry["top_logprobs"].push_back(described(id, logprob));
        content.push_back(std::move(entry));
      }
      return {{"content", std::move(content)}, {"refusal", nullptr}};
    }
    Reply r{{"tokens", Reply::array()},
            {"token_logprobs", Reply::array()},
            {"top_logprobs", Reply::array()},
            {"text_offset", Reply::array()}};
    for (TokenLogprob const& t : tokens) {
      r["tokens"].push_back(spelling(t.id));
      r["token_logprobs"].push_back(t.logprob);
      Reply top = Reply::object();
      for (auto const& [id, logprob] : t.top) top[spelling(id)] = logprob;
      r["top_logprobs"].push_back(std::isnan(t.logprob) ? Reply() : std::move(top));
      r["text_offset"].push_back(t.at);
    }
    return r;
  }

  bool chat_;
  std::string id_, call_id_, model_, fingerprint_;
  fauna::Bpe const& tokenizer_;
  int logprobs_, n_;
  std::vector<std::string> echoes_;
  std::vector<Text> texts_;
  std::size_t prompt_tokens_ = 0, tokens_ = 0, cached_ = 0;
  long created_ = static_cast<long>(std::time(nullptr));
};

}  // namespace tool::serve
