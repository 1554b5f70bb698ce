// One text as it is written: from the logits of each step to a token, and from tokens to pieces of text.
#pragma once
#include <algorithm>
#include <chrono>
#include <cmath>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include <fauna/decode/generate.hpp>
#include <fauna/decode/stop_texts.hpp>
#include <fauna/text/bpe.hpp>
#include <tools/src/serve/job.hpp>

namespace tool::serve {

class Writer {
 public:
  /// Text i of a job, at most `most` tokens long, of ids below `vocab`.
  Writer(Job& job, int i, fauna::Bpe const& tokenizer, int vocab, std::vector<int> const& stop_ids, int most)
      : job_(job),
        text_(i),
        most_(most),
        stop_ids_(stop_ids),
        vocab_(vocab),
        tokenizer_(tokenizer),
        sampler_(vocab_, job.drawing.sampling),
        stream_(tokenizer),
        stops_(job.drawing.stop),
        grammar_(job.drawing.grammar.get()),
        state_(grammar_ == nullptr ? 0 : grammar_->start()) {
    prompt_ = job.prompts[static_cast<std::size_t>(i / job.n)];
    key_ = fauna::text_key(*job.drawing.seed, static_cast<std::uint64_t>(i % job.n));
    if (job.drawing.prompt_logprobs) tell({.id = prompt_[0]});
  }

  /// The ids that are read before anything is done with logits: the prompt, or its first token, where each is told.
  std::vector<int> begins_with() const { return job_.drawing.prompt_logprobs ? std::vector<int>{prompt_[0]} : prompt_; }
  /// Is all said before anything is read?
  bool nothing_to_read() const { return most_ == 0 && begins_with().size() == prompt_.size(); }

  /// What the engine is to read, of which it holds `cached` tokens.
  fauna::Continuation start(int cached) {
    skipped(cached);
    fauna::Continuation c;
    c.ids = begins_with();
    c.prompt = c.ids.size();
    c.key = key_;
    c.read = cached;
    return c;
  }
  /// So many tokens of the prompt have been read for another text.
  void skipped(int cached) { cached_ = cached; }
  /// The next token for logits[vocab]; `c` goes on with it, or is done.
  void next(fauna::Continuation& c, const float* logits) {
    if (c.ids.size() < prompt_.size()) return follow(c, logits);
    const int id = sampler_(adjusted(logits), c.key, c.ids.size(), c.ids.data(), c.ids.size());
    c.ids.push_back(id);
    ++tokens_;
    measure();
    if (std::find(stop_ids_.begin(), stop_ids_.end(), id) != stop_ids_.end()) {
      c.done = true;
      return finish("stop");
    }
    if (job_.drawing.logprobs >= 0) waiting_.push_back(logprob_of(logits, id));
    if (penalised()) ++seen_[id];
    if (grammar_ != nullptr) state_ = grammar_->next(state_, id);
    const bool whole = grammar_ != nullptr && grammar_->ends(state_);
    const std::string words = stops_.push(spelt(id));
    if (!words.empty() && !stops_.found()) give({.text = text_, .words = words});
    c.done = stops_.found() || whole || tokens_ == most_;
    if (stops_.found()) give({.text = text_, .words = words, .finish = "stop", .tokens = tokens_});
    else if (c.done) finish(whole ? "stop" : "length");
  }
  /// So many tokens may come behind the next one.
  int room(fauna::Continuation const& c) const { return c.ids.size() < prompt_.size() ? 0 : most_ - tokens_ - 1; }
  /// What a draft model's logits make the next token: with the noise that the text's own are drawn with.
  int guess(fauna::Continuation const& c, const float* logits) {
    return sampler_(logits, c.key, c.ids.size(), c.ids.data(), c.ids.size());
  }
  /// The end, with all that was held back.
  void finish(std::string const& why) {
    std::string words = stops_.push(stream_.finish());
    const bool stopped = stops_.found();
    words += stops_.finish();
    give({.text = text_, .words = words, .finish = stopped ? "stop" : why, .tokens = tokens_});
  }

 private:
  std::string spelt(int id) {
    auto const& shown = job_.drawing.shown;
    if (std::find(shown.begin(), shown.end(), id) == shown.end()) return stream_.push(id);
    return stream_.finish().append(tokenizer_.bytes(id));
  }
  /// The prompt's next token: it is told, not drawn.
  void follow(fauna::Continuation& c, const float* logits) {
    const int id = prompt_[c.ids.size()];
    tell(logprob_of(logits, id));
    c.ids.push_back(id);
    c.done = most_ == 0 && c.ids.size() == prompt_.size();
    if (c.done) finish("length");
  }
  void tell(TokenLogprob t) {
    before_ += tokenizer_.bytes(t.id).size();
    waiting_.push_back(std::move(t));
  }
  void measure() {
    const auto now = Job::clock::now();
    const double seconds = std::chrono::duration<double>(now - last_).count();
    if (tokens_ == 1) job_.metrics.first_token(seconds, prompt_.size(), cached_);
    else job_.metrics.further_token(seconds);
    last_ = now;
  }
  bool penalised() const { return job_.drawing.presence != 0 || job_.drawing.frequency != 0; }

  const float* adjusted(const float* logits) {
    if (job_.drawing.bias.empty() && !penalised() && grammar_ == nullptr) return logits;
    adjusted_.assign(logits, logits + vocab_);
    const auto at = [this](int id) -> float& { return adjusted_[static_cast<std::size_t>(id)]; };
    for (auto const& [id, bias] : job_.drawing.bias) at(id) += bias;
    for (auto const& [id, times] : seen_)
      at(id) -= job_.drawing.presence + job_.drawing.frequency * static_cast<float>(times);
    if (grammar_ != nullptr) fauna::grammar::forbid(grammar_->mask(state_), adjusted_.data(), vocab_);
    return adjusted_.data();
  }

  TokenLogprob logprob_of(const float* logits, int id) const {
    double sum = 0;
    const float largest = *std::max_element(logits, logits + vocab_);
    for (int i = 0; i < vocab_; ++i) sum += std::exp(static_cast<double>(logits[i]) - static_cast<double>(largest));
    const double log_sum = static_cast<double>(largest) + std::log(sum);
    const auto of = [&](int i) { return static_cast<float>(static_cast<double>(logits[i]) - log_sum); };
    TokenLogprob t{.id = id, .logprob = of(id), .top = {}, .at = before_ + stops_.text().size()};
    std::vector<int> order(static_cast<std::size_t>(vocab_));
    for (int i = 0; i < vocab_; ++i) order[static_cast<std::size_t>(i)] = i;
    const auto count = std::min(job_.drawing.logprobs, vocab_);
    std::partial_sort(order.begin(), order.begin() + count, order.end(),
                      [logits](int a, int b) { return logits[a] > logits[b] || (logits[a] == logits[b] && a < b); });
    for (int i = 0; i < count; ++i) {
      const int best = order[static_cast<std::size_t>(i)];
      t.top.emplace_back(best, of(best));
    }
    return t;
  }

  /// With the tokens that the text has so far; those of a stop text are not of it.
  void give(Piece piece) {
    for (TokenLogprob& t : waiting_)
      if (!stops_.found() || t.at < before_ + stops_.text().size()) piece.logprobs.push_back(std::move(t));
    waiting_.clear();
    if (!piece.finish.empty()) piece.cached = cached_;
    job_.add(std::move(piece));
  }

  Job& job_;
  int text_, most_;
  std::vector<int> const& stop_ids_;
  int vocab_, tokens_ = 0, cached_ = 0;
  fauna::Bpe const& tokenizer_;
  std::vector<int> prompt_;
  std::size_t before_ = 0;  ///< bytes of the prompt's tokens that were told
  fauna::Key key_;
  fauna::Sampler sampler_;
  fauna::Bpe::Stream stream_;
  fauna::StopTexts stops_;
  fauna::grammar::TokenGrammar* grammar_;  ///< null: the text may be anything
  int state_;                              ///< of the grammar
  std::vector<float> adjusted_;
  std::map<int, int> seen_;  ///< tokens of the text and how often it has each, where that counts
  std::vector<TokenLogprob> waiting_;
  Job::clock::time_point last_ = job_.asked;  ///< when the last token came
};

}  // namespace tool::serve
