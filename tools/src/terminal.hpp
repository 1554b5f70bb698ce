// A conversation in the terminal, or with whatever writes lines and reads answers.
#pragma once
#include <signal.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <optional>
#include <string>
#include <vector>

#include <fauna/decode/stop_texts.hpp>
#include <fauna/io/clock.hpp>
#include <fauna/io/file.hpp>
#include <fauna/io/print.hpp>
#include <tools/src/chat.hpp>
#include <tools/src/drafts.hpp>
#include <tools/src/main.hpp>
#include <tools/src/say.hpp>

namespace tool {

/// Ctrl-C, as something that is looked at: it ends an answer, not the program.
class Interrupts {
 public:
  Interrupts() {
    struct sigaction action {};
    action.sa_handler = [](int) { asked_ = 1; };  // no SA_RESTART: a read that waits is left
    sigaction(SIGINT, &action, &before_);
  }
  Interrupts(Interrupts const&) = delete;
  Interrupts& operator=(Interrupts const&) = delete;
  ~Interrupts() { sigaction(SIGINT, &before_, nullptr); }
  /// Has there been one since the last call?
  static bool take() {
    const bool asked = asked_ != 0;
    asked_ = 0;
    return asked;
  }
  static bool asked() { return asked_ != 0; }

 private:
  static inline volatile sig_atomic_t asked_ = 0;
  struct sigaction before_ {};
};

/// Lines of a file descriptor.
class Lines {
 public:
  explicit Lines(int from) : from_(from) {}
  enum class next { line, end, interrupted };

  /// The next line, without its end. What is left when an interrupt comes is forgotten.
  next read(std::string& line) {
    for (;;) {
      if (const std::size_t end = held_.find('\n'); end != std::string::npos) {
        line = held_.substr(0, end);
        held_.erase(0, end + 1);
        return next::line;
      }
      char more[4096];
      const ssize_t n = ::read(from_, more, sizeof more);
      if (n < 0 && errno == EINTR) {
        held_.clear();
        return next::interrupted;
      }
      if (n < 0) fauna::fail("chat", std::string("reading: ") + std::strerror(errno));
      if (n > 0) {
        held_.append(more, static_cast<std::size_t>(n));
        continue;
      }
      line = held_;
      held_.clear();
      return line.empty() ? next::end : next::line;
    }
  }

 private:
  int from_;
  std::string held_{};
};

/// What somebody and a model say to each other.
class Terminal {
 public:
  /// `o`: how answers are drawn, with the context that there is room for. `values`: JSON, for the template. Answers go
  /// to `out`. What is given is referred to.
  Terminal(Engine& model, fauna::Bpe const& tokenizer, Chat const& chat, fauna::GenerateOptions const& o,
           std::string values, std::string const& system, std::FILE* out)
      : out_(out),
        tokenizer_(tokenizer),
        chat_(chat),
        options_(o),
        values_(std::move(values)),
        reader_(model, o.context, o.chunk),
        drafter_("", &reader_, nullptr, o.context, o.chunk) {
    if (!system.empty()) turns_.push_back({"system", system});
  }

  /// Until the input ends.
  void run(int input) {
    const Interrupts interrupts;
    const bool person = ::isatty(input) != 0;
    if (person) say("/help says what there is beside talking; Ctrl-C ends an answer, Ctrl-D the conversation");
    Lines lines(input);
    for (std::string line;;) {
      if (person) fauna::print(out_, "> ");
      const auto got = lines.read(line);
      if (got == Lines::next::end) break;
      if (got == Lines::next::interrupted) {
        (void)Interrupts::take();
        if (person) fauna::print(out_, "\n");
        continue;
      }
      if (!line.empty() && line.back() == '\r') line.pop_back();
      if (line.find_first_not_of(" \t") == std::string::npos) continue;
      try {
        if (line == "/quit") break;
        if (line[0] == '/') command(line);
        else answer(line);
      } catch (fauna::error const& e) {  // the conversation goes on
        say(e.what());
      }
    }
    if (person) fauna::print(out_, "\n");
  }
  std::vector<Turn> const& turns() const { return turns_; }

 private:
  void command(std::string const& line) {
    const std::size_t end = std::min(line.find(' '), line.size());
    const std::string name = line.substr(0, end), text = end < line.size() ? line.substr(end + 1) : "";
    const bool has_system = !turns_.empty() && turns_[0].role == "system";
    if (name == "/reset") {
      turns_.resize(has_system ? 1 : 0);
      say("the conversation begins anew");
    } else if (name == "/system") {
      if (has_system) turns_.erase(turns_.begin());
      if (!text.empty()) turns_.insert(turns_.begin(), {"system", text});
      say(text.empty() ? "the model is told nothing before the conversation" : "the model is told: " + text);
    } else if (name == "/save" && !text.empty()) {
      fauna::write_file(text, json());
      say("wrote " + text);
    } else {
      if (name != "/help") say(name == "/save" ? "/save without a file" : "there is no " + name);
      say("/reset forgets what was said, /system TEXT tells the model how to behave (nothing without a text), "
          "/save FILE writes the conversation as a line of JSON, {\"messages\": ...}, /quit ends");
    }
  }
  std::string json() const {
    std::string all = "{\"messages\": [";
    for (Turn const& t : turns_)
      all += (&t == turns_.data() ? "" : ", ") + ("{\"role\": " + fauna::json_quoted(t.role)) +
             ", \"content\": " + fauna::json_quoted(t.content) + '}';
    return all + "]}\n";
  }

  /// Has the model answer, piece by piece. What was written when it is interrupted stays its answer.
  void answer(std::string const& words) {
    (void)Interrupts::take();
    std::vector<Turn> turns = turns_;
    turns.push_back({"user", words});
    const std::vector<int> ids = Chat::ids(tokenizer_, chat_.text(turns, true, values_));
    if (ids.empty()) fauna::fail("chat", "a conversation without a token", "a template that writes one");
    if (ids.size() > static_cast<std::size_t>(options_.context))
      fauna::fail("chat", "a conversation of " + std::to_string(ids.size()) + " tokens",
                  "at most the context of " + std::to_string(options_.context), "/reset begins anew");
    fauna::StopTexts stops(options_.stop);
    fauna::Bpe::Stream stream(tokenizer_);
    fauna::Speculative model{reader_, drafter_, 0};
    const double start = fauna::seconds_now();
    double first = 0;
    int tokens = 0;
    const auto show = [this](std::string const& piece) {
      if (!piece.empty()) fauna::print(out_, piece);
    };
    fauna::generate_tokens(model, ids, options_, [&](int id) {
      if (++tokens == 1) first = fauna::seconds_now();
      if (fauna::generate_detail::stops(options_, id) || Interrupts::asked()) return false;
      show(stops.push(stream.push(id)));
      return !stops.found();
    });
    if (!stops.found()) show(stops.push(stream.finish()));
    show(stops.finish());
    fauna::print(out_, "\n");
    const double end = fauna::seconds_now();
    if (tokens == 0) first = end;
    say(sentence("%s%zu tokens read in %.2f s, %d written, %.1f a second", Interrupts::take() ? "stopped; " : "",
                 ids.size(), first - start, tokens, tokens > 1 ? (tokens - 1) / (end - first) : 0.0));
    turns.push_back({"assistant", stops.text()});
    turns_ = std::move(turns);
  }

  std::FILE* out_;
  fauna::Bpe const& tokenizer_;
  Chat const& chat_;
  fauna::GenerateOptions const& options_;
  std::string values_;
  AnyReader reader_;
  AnyDrafter drafter_;
  std::vector<Turn> turns_{};
};

}  // namespace tool
