// The one thread that runs the model: jobs come into a bounded queue, and their texts into the scheduler's slots as
// those become free, a text of each job in turn.
#pragma once
#include <algorithm>
#include <condition_variable>
#include <deque>
#include <memory>
#include <mutex>
#include <vector>

#include <tools/src/serve/embedding.hpp>
#include <tools/src/serve/job.hpp>
#include <tools/src/serve/refusal.hpp>
#include <tools/src/serve/scheduler.hpp>

namespace tool::serve {

class Worker {
 public:
  /// `queue`: jobs that may wait. Everything else as for the scheduler.
  Worker(Engine& engine, fauna::Bpe const& tokenizer, std::vector<int> const& stop_ids, Scheduler::Limits limits,
         int queue)
      : scheduler_(engine, tokenizer, stop_ids, limits),
        embedder_(engine, limits.chunk),
        width_(engine.width()),
        free_(limits.parallel),
        queue_limit_(queue) {}

  /// Ids that a text can have are below it.
  int vocab() const { return scheduler_.vocab(); }
  int width() const { return width_; }  ///< of embeddings
  std::vector<int> const& stop_ids() const { return scheduler_.stop_ids(); }

  /// Puts a job at the end of the queue. Throws where that is full, or the server is closing. Any thread may.
  void submit(std::shared_ptr<Job> const& job) {
    const std::lock_guard lock(mutex_);
    if (closed_) throw closing();
    forget();
    if (count_waiting() >= queue_limit_ + free_) throw full();
    queue_.push_back({job});
    changed_.notify_all();
  }
  /// The same for texts to be read alone.
  void submit(std::shared_ptr<Embeddings> const& task) {
    const std::lock_guard lock(mutex_);
    if (closed_) throw closing();
    std::erase_if(to_read_, [](auto const& t) { return ended_early(*t); });
    if (static_cast<int>(to_read_.size()) >= queue_limit_ + 1) throw full();
    to_read_.push_back(task);
    changed_.notify_all();
  }
  /// Serves jobs until close(): those that run then are finished, those that wait are refused.
  void run() {
    for (;;) {
      while (scheduler_.free() > 0 && start_one()) {}
      if (scheduler_.running() > 0) scheduler_.step();
      if (reads()) embedder_.step();
      else if (scheduler_.running() == 0 && closed()) return;
    }
  }
  void close() {
    const std::lock_guard lock(mutex_);
    closed_ = true;
    std::erase_if(queue_, [](Waiting const& w) {
      if (w.next == 0) w.job->becomes(progress::refused);
      return w.next == 0;
    });
    for (auto const& task : to_read_) task->becomes(progress::refused);
    to_read_.clear();
    changed_.notify_all();
  }
  /// Jobs none of whose texts has begun, and that somebody waits for; and texts that wait to be read.
  int waiting() const {
    const std::lock_guard lock(mutex_);
    return count_waiting() + static_cast<int>(to_read_.size());
  }
  bool closed() const {
    const std::lock_guard lock(mutex_);
    return closed_;
  }
  static Refusal closing() { return {503, "The server is shutting down.", "unavailable_error"}; }

 private:
  static Refusal full() {
    return {429, "The server is busy and its queue is full: try again.", "rate_limit_error", "", "rate_limit_exceeded"};
  }
  static bool ended_early(Task& task) {
    if (!task.over()) return false;
    task.becomes(task.cancelled() ? progress::done : progress::late);
    return true;
  }
  struct Waiting {
    std::shared_ptr<Job> job;
    int next = 0;  ///< of its texts
  };

  int count_waiting() const {
    return static_cast<int>(
        std::count_if(queue_.begin(), queue_.end(), [](Waiting const& w) { return w.next == 0 && !w.job->over(); }));
  }
  /// Who waits no longer takes no place.
  void forget() {
    std::erase_if(queue_, [](Waiting const& w) { return ended_early(*w.job); });
  }
  /// Is there anything to read for embeddings?
  bool reads() {
    const std::lock_guard lock(mutex_);
    if (!embedder_.busy() && !to_read_.empty()) {
      embedder_.start(to_read_.front());
      to_read_.pop_front();
    }
    return embedder_.busy();
  }
  /// Starts the next text of the job whose turn it is; waits for one where nothing runs. False: there is none.
  bool start_one() {
    Waiting w{};
    {
      std::unique_lock lock(mutex_);
      free_ = scheduler_.free();
      if (scheduler_.running() == 0 && !embedder_.busy())
        changed_.wait(lock, [this] { return closed_ || !queue_.empty() || !to_read_.empty(); });
      forget();
      if (queue_.empty()) return false;
      w = std::move(queue_.front());
      queue_.pop_front();
      --free_;
      if (w.next + 1 < w.job->texts()) queue_.push_back({w.job, w.next + 1});
    }
    scheduler_.start(w.job, w.next);
    return true;
  }

  Scheduler scheduler_;
  Embedder embedder_;
  int width_;
  mutable std::mutex mutex_;
  std::condition_variable changed_;
  std::deque<Waiting> queue_;
  std::deque<std::shared_ptr<Embeddings>> to_read_;
  int free_;  ///< slots without a text, the last time that one was looked for
  int queue_limit_;
  bool closed_ = false;
};

}  // namespace tool::serve
