// What a server counts, as curves over time for TensorBoard: a point of each every few seconds in which it did
// anything, at the second since the server began.
#pragma once
#include <chrono>
#include <condition_variable>
#include <mutex>
#include <string>
#include <thread>

#include <fauna/io/event_file.hpp>
#include <tools/src/say.hpp>
#include <tools/src/serve/metrics.hpp>

namespace tool::serve {

class Curves {
 public:
  /// Throws where the folder cannot be written to. The metrics are referred to.
  Curves(std::string const& folder, Metrics const& metrics)
      : metrics_(metrics), file_(folder, 0), thread_([this] { run(); }) {}
  Curves(Curves const&) = delete;
  Curves& operator=(Curves const&) = delete;
  /// The last point is of what came since the one before it.
  ~Curves() {
    {
      const std::lock_guard lock(mutex_);
      ends_ = true;
    }
    changed_.notify_all();
    thread_.join();
  }

 private:
  using clock = std::chrono::steady_clock;
  static constexpr std::chrono::seconds interval{10};

  void run() try {
    std::unique_lock lock(mutex_);
    for (bool last = false; !last;) {
      last = changed_.wait_for(lock, interval, [this] { return ends_; });
      point();
    }
  } catch (fauna::error const& e) {  // a full disk, say, which stops nobody from being served
    say(std::string("no more curves: ") + e.what());
  }
  void point() {
    const clock::time_point now = clock::now();
    const Metrics::Totals all = metrics_.totals(), old = drawn_;
    if (all.requests == old.requests && all.tokens == old.tokens) {
      drawn_at_ = now;
      return;
    }
    const auto step = std::chrono::duration_cast<std::chrono::seconds>(now - began_).count();
    const double seconds = std::chrono::duration<double>(now - drawn_at_).count();
    const auto curve = [&](const char* name, double sum, double of) {
      if (of > 0) file_.scalar(name, step, sum / of);
    };
    const auto since = [&](std::uint64_t Metrics::Totals::*what) { return static_cast<double>(all.*what - old.*what); };
    using T = Metrics::Totals;
    curve("requests_per_second", since(&T::requests), seconds);
    curve("tokens_per_second/prompt", since(&T::prompt_tokens) - since(&T::cached_tokens), seconds);
    curve("tokens_per_second/written", since(&T::tokens), seconds);
    curve("seconds/first_token", all.first_tokens - old.first_tokens, since(&T::texts));
    curve("seconds/further_token", all.further_tokens - old.further_tokens, since(&T::tokens) - since(&T::texts));
    curve("share/cached", since(&T::cached_tokens), since(&T::prompt_tokens));
    curve("share/drafts_accepted", since(&T::accepted), since(&T::drafted));
    drawn_ = all;
    drawn_at_ = now;
  }

  Metrics const& metrics_;
  fauna::EventFile file_;
  clock::time_point began_ = clock::now(), drawn_at_ = began_;
  Metrics::Totals drawn_{};
  std::mutex mutex_;
  std::condition_variable changed_;
  bool ends_ = false;
  std::thread thread_;  ///< the last: it uses the others
};

}  // namespace tool::serve
