// What a request's thread and the worker (worker.hpp) agree on about a request: how it does, and whether anybody waits.
#pragma once
#include <atomic>
#include <chrono>
#include <condition_variable>
#include <cstddef>
#include <mutex>

#include <tools/src/engine.hpp>

namespace tool::serve {

/// What a request may name: an engine, and the adapter beside its weights, if one is.
struct Model {
  Model(Engine* of, int with = fauna::no_adapter) : engine(of), adapter(with) {}
  Engine* engine;
  int adapter;
};

enum class progress { waits, runs, done, failed, refused, late };

class Task {
 public:
  using clock = std::chrono::steady_clock;

  explicit Task(clock::time_point end, std::size_t of_model = 0) : deadline(end), model(of_model) {}
  const clock::time_point deadline, asked = clock::now();
  const std::size_t model;  ///< which of the worker's models it is for

  /// Nobody waits for it any more.
  bool over() const { return cancelled_ || clock::now() >= deadline; }
  /// The client is gone: the worker ends at the next step.
  void cancel() { cancelled_ = true; }
  bool cancelled() const { return cancelled_; }

  /// Where it has come to an end, it stays there.
  void becomes(progress state) {
    const std::lock_guard lock(mutex_);
    if (state_ <= progress::runs) state_ = state;
    changed_.notify_all();
  }
  /// Waits, but not for ever, until the task does not wait any more; its state.
  progress wait_for_start(std::chrono::milliseconds most) { return wait_past(progress::waits, most); }
  /// The same, until it has ended.
  progress wait_for_end(std::chrono::milliseconds most) { return wait_past(progress::runs, most); }

 protected:
  mutable std::mutex mutex_;
  std::condition_variable changed_;
  progress state_ = progress::waits;

 private:
  progress wait_past(progress state, std::chrono::milliseconds most) {
    std::unique_lock lock(mutex_);
    changed_.wait_for(lock, most, [this, state] { return state_ > state; });
    return state_;
  }
  std::atomic<bool> cancelled_ = false;
};

}  // namespace tool::serve
