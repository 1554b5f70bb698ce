// What a request's thread and the worker (worker.hpp) share: the texts that are asked for, and what comes of them.
#pragma once
#include <chrono>
#include <deque>
#include <limits>
#include <mutex>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include <tools/src/serve/metrics.hpp>
#include <tools/src/serve/request.hpp>
#include <tools/src/serve/task.hpp>

namespace tool::serve {

/// A token with its log-probability in nats, and the likeliest ones in its place: of the model's own distribution,
/// before temperature, penalties and biases. Nothing foretells a prompt's first token: it has no number.
struct TokenLogprob {
  int id = 0;
  float logprob = std::numeric_limits<float>::quiet_NaN();
  std::vector<std::pair<int, float>> top{};
  std::size_t at = 0;  ///< bytes before it: of the text, and of a prompt whose tokens are told, too
};

/// A piece of one of the texts.
struct Piece {
  int text = 0;                          ///< which: prompt * n + i
  std::string words{};                   ///< whole characters
  std::vector<TokenLogprob> logprobs{};  ///< of the tokens since the last piece, where asked for
  std::string finish{};                  ///< why the text ends here: stop or length; empty where it goes on
  int tokens = 0;                        ///< of the whole text, with the one that ended it; where it ends
  int cached = 0;                        ///< tokens of its prompt that need not be read; where it ends
};

class Job : public Task {
 public:
  Job(std::vector<std::vector<int>> of, int texts_each, Drawing how, clock::time_point end, Metrics& counts,
      std::size_t of_model = 0)
      : Task(end, of_model), prompts(std::move(of)), n(texts_each), drawing(std::move(how)), metrics(counts) {}

  const std::vector<std::vector<int>> prompts;
  const int n;
  const Drawing drawing;  ///< with a seed
  Metrics& metrics;
  int ended = 0;        ///< texts; the worker's alone
  bool failed = false;  ///< the worker's alone

  int texts() const { return static_cast<int>(prompts.size()) * n; }
  std::vector<int> const& prompt(int text) const { return prompts[static_cast<std::size_t>(text / n)]; }

  void add(Piece piece) {
    const std::lock_guard lock(mutex_);
    pieces_.push_back(std::move(piece));
    changed_.notify_all();
  }
  /// Has nobody taken what has come so far? Then more waits, before it fills the memory.
  bool behind() const {
    constexpr std::size_t most_unread = 1024;
    const std::lock_guard lock(mutex_);
    return pieces_.size() > most_unread;
  }
  /// Waits, but not for ever, for a piece, or for the end; the state, once all pieces have been taken.
  progress next(std::optional<Piece>& piece, std::chrono::milliseconds most) {
    std::unique_lock lock(mutex_);
    changed_.wait_for(lock, most, [this] { return !pieces_.empty() || state_ > progress::runs; });
    piece.reset();
    if (pieces_.empty()) return state_;
    piece = std::move(pieces_.front());
    pieces_.pop_front();
    return progress::runs;
  }

 private:
  std::deque<Piece> pieces_;
};

}  // namespace tool::serve
