// The one thread that runs the model: jobs come into a bounded queue and are served one after another. Here is where
// several texts will share a step: Slots takes them all at once.
#pragma once
#include <algorithm>
#include <cstdio>
#include <deque>
#include <exception>
#include <memory>
#include <mutex>
#include <vector>

#include <tools/src/engine.hpp>
#include <tools/src/say.hpp>
#include <tools/src/serve/job.hpp>
#include <tools/src/serve/refusal.hpp>
#include <tools/src/serve/writer.hpp>

namespace tool::serve {

class Worker {
 public:
  struct Limits {
    int context;  ///< tokens of prompt and text
    int chunk;    ///< tokens of a prompt that are read at once
    int queue;    ///< jobs that may wait
  };
  /// The engine has its weights. Everything is referred to, not copied.
  Worker(Engine& engine, fauna::Bpe const& tokenizer, std::vector<int> const& stop_ids, Limits limits)
      : tokenizer_(tokenizer),
        vocab_(std::min(engine.vocab(), tokenizer.vocab())),
        stop_ids_(stop_ids),
        limits_(limits),
        slots_(engine.slots(1, limits.context, limits.chunk)) {}

  /// Ids that a text can have are below it.
  int vocab() const { return vocab_; }

  /// Puts a job at the end of the queue. Throws where that is full, or the server is closing. Any thread may.
  void submit(std::shared_ptr<Job> const& job) {
    const std::lock_guard lock(mutex_);
    if (closed_) throw closing();
    // Who waits no longer takes no place.
    std::erase_if(queue_, [](auto const& waiting) { return waiting->cancelled(); });
    if (static_cast<int>(queue_.size()) + (busy_ ? 1 : 0) > limits_.queue)
      throw Refusal(429, "The server is busy and its queue is full: try again.", "rate_limit_error", "",
                    "rate_limit_exceeded");
    queue_.push_back(job);
    changed_.notify_all();
  }
  /// Serves jobs until close(); the job that runs then is finished, those that wait are refused.
  void run() {
    while (const std::shared_ptr<Job> job = take()) {
      job->becomes(progress::runs);
      try {
        serve(*job);
        job->becomes(progress::done);
      } catch (std::exception const& e) {  // this job's alone: the next one finds the slot cleared
        say(std::string("a request failed: ") + e.what());
        job->becomes(progress::failed);
      }
    }
  }
  void close() {
    const std::lock_guard lock(mutex_);
    closed_ = true;
    for (auto const& job : queue_) job->becomes(progress::refused);
    queue_.clear();
    changed_.notify_all();
  }
  bool closed() const {
    const std::lock_guard lock(mutex_);
    return closed_;
  }
  static Refusal closing() { return {503, "The server is shutting down.", "unavailable_error"}; }

 private:
  std::shared_ptr<Job> take() {
    std::unique_lock lock(mutex_);
    busy_ = false;
    changed_.wait(lock, [this] { return closed_ || !queue_.empty(); });
    if (closed_) return nullptr;
    auto job = std::move(queue_.front());
    queue_.pop_front();
    busy_ = true;
    return job;
  }

  /// All texts of a job, one after another.
  void serve(Job& job) {
    const int texts = static_cast<int>(job.prompts.size()) * job.n;
    for (int i = 0; i < texts && !job.cancelled(); ++i) {
      const int prompt = static_cast<int>(job.prompts[static_cast<std::size_t>(i / job.n)].size());
      // The last token is drawn, and never read.
      const int room = limits_.context - prompt + 1;
      const int most = job.drawing.tokens < 0 ? room : std::min(job.drawing.tokens, room);
      Writer writer(job, i, tokenizer_, vocab_, stop_ids_, most);
      std::vector<fauna::Continuation> all{writer.start()};
      if (most == 0) writer.finish("length");
      slots_->clear(0);
      while (!job.cancelled() &&
             slots_->step(all, limits_.chunk, [&](int, const float* logits) { writer.next(all[0], logits); })) {}
    }
  }

  fauna::Bpe const& tokenizer_;
  int vocab_;
  std::vector<int> const& stop_ids_;
  Limits limits_;
  std::unique_ptr<Slots> slots_;
  mutable std::mutex mutex_;
  std::condition_variable changed_;
  std::deque<std::shared_ptr<Job>> queue_;
  bool busy_ = false, closed_ = false;
};

}  // namespace tool::serve
