// The one thread that runs the model: jobs come into a bounded queue, and their texts into the scheduler's slots as
// those become free, a text of each job in turn. An adapter that is merged into weights of its own has an engine and a
// scheduler of its own: their texts take turns by steps. Those beside the model's weights share its steps.
#pragma once
#include <algorithm>
#include <chrono>
#include <condition_variable>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <numeric>
#include <optional>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include <tools/src/serve/embedding.hpp>
#include <tools/src/serve/job.hpp>
#include <tools/src/serve/profiler.hpp>
#include <tools/src/serve/refusal.hpp>
#include <tools/src/serve/scheduler.hpp>

namespace tool::serve {

class Worker {
 public:
  /// `models`: the model, and what it is with each adapter; a task says for which it is. `queue`: jobs that may wait.
  /// Everything else as for a scheduler, of which each engine has one.
  Worker(std::vector<Model> const& models, fauna::Bpe const& tokenizer, std::vector<int> const& stop_ids,
         Scheduler::Limits limits, int queue)
      : models_(models), embedder_(models, limits.chunk), width_(models.at(0).engine->width()), queue_limit_(queue) {
    std::vector<Engine const*> engines;
    for (Model const& model : models) {
      const auto found = std::find(engines.begin(), engines.end(), model.engine);
      scheduler_of_.push_back(static_cast<std::size_t>(found - engines.begin()));
      if (found != engines.end()) continue;
      engines.push_back(model.engine);
      schedulers_.push_back(std::make_unique<Scheduler>(*model.engine, tokenizer, stop_ids, limits));
    }
    free_.resize(schedulers_.size());
    look();
  }

  /// Ids that a text can have are below it.
  int vocab() const { return schedulers_[0]->vocab(); }
  int width() const { return width_; }  ///< of embeddings
  std::vector<int> const& stop_ids() const { return schedulers_[0]->stop_ids(); }

  /// Puts a job at the end of the queue. Throws where that is full, or the server is closing. Any thread may.
  void submit(std::shared_ptr<Job> const& job) {
    const std::lock_guard lock(mutex_);
    if (closed_) throw closing();
    forget();
    const std::size_t scheduler = scheduler_of_[job->model];
    if (count_waiting(scheduler) >= free_[scheduler] && queued() >= queue_limit_) throw full();
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
      while (free() > 0 && start_one()) {}
      bool rest = running() > 0;
      for (auto const& scheduler : schedulers_)
        if (scheduler->running() > 0 && step(*scheduler)) rest = false;
      if (reads()) embedder_.step();
      else if (rest) std::this_thread::sleep_for(std::chrono::milliseconds(5));
      else if (running() == 0 && closed()) return;
    }
  }
  /// So many of the steps that run() makes, from the second on, are timed into a file. Before run().
  void profile(int steps, std::string const& file) {
    std::vector<Engine*> engines;
    for (Model const& model : models_)
      if (std::find(engines.begin(), engines.end(), model.engine) == engines.end()) engines.push_back(model.engine);
    profiler_.emplace(std::move(engines), steps, file);
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
  bool step(Scheduler& scheduler) {
    const auto one = [&scheduler] { return scheduler.step(); };
    return profiler_ ? profiler_->step(one) : one();
  }
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

  Scheduler& of(Task const& task) { return *schedulers_[scheduler_of_[task.model]]; }
  template <class F> int sum(F of_each) const {
    return std::transform_reduce(schedulers_.begin(), schedulers_.end(), 0, std::plus<>(),
                                 [&](auto const& scheduler) { return of_each(*scheduler); });
  }
  int running() const {
    return sum([](Scheduler const& s) { return s.running(); });
  }
  int free() const {
    return sum([](Scheduler const& s) { return s.free(); });
  }
  void look() {
    for (std::size_t e = 0; e < free_.size(); ++e) free_[e] = schedulers_[e]->free();
  }
  int count_waiting() const {
    int n = 0;
    for (std::size_t e = 0; e < free_.size(); ++e) n += count_waiting(e);
    return n;
  }
  int count_waiting(std::size_t scheduler) const {
    return static_cast<int>(std::count_if(queue_.begin(), queue_.end(), [&](Waiting const& w) {
      return w.next == 0 && scheduler_of_[w.job->model] == scheduler && !w.job->over();
    }));
  }
  /// Those of them for which their engine has no slot.
  int queued() const {
    int n = 0;
    for (std::size_t e = 0; e < free_.size(); ++e) n += std::max(0, count_waiting(e) - free_[e]);
    return n;
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
  /// Starts the next text of the first job that there is a slot for; waits for one where nothing runs. False: there is
  /// none.
  bool start_one() {
    Waiting w{};
    {
      std::unique_lock lock(mutex_);
      look();
      if (running() == 0 && !embedder_.busy())
        changed_.wait(lock, [this] { return closed_ || !queue_.empty() || !to_read_.empty(); });
      forget();
      const auto next =
          std::find_if(queue_.begin(), queue_.end(), [this](Waiting const& q) { return of(*q.job).free() > 0; });
      if (next == queue_.end()) return false;
      w = std::move(*next);
      queue_.erase(next);
      --free_[scheduler_of_[w.job->model]];
      if (w.next + 1 < w.job->texts()) queue_.push_back({w.job, w.next + 1});
    }
    of(*w.job).start(w.job, w.next, models_[w.job->model].adapter);
    return true;
  }

  std::vector<Model> models_;
  std::vector<std::size_t> scheduler_of_;               ///< by model
  std::vector<std::unique_ptr<Scheduler>> schedulers_;  ///< by engine
  Embedder embedder_;
  std::optional<Profiler> profiler_;
  int width_;
  mutable std::mutex mutex_;
  std::condition_variable changed_;
  std::deque<Waiting> queue_;
  std::deque<std::shared_ptr<Embeddings>> to_read_;
  std::vector<int> free_;  ///< by engine, slots without a text, the last time that one was looked for
  int queue_limit_;
  bool closed_ = false;
};

}  // namespace tool::serve
