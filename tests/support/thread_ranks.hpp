// Ranks as threads of this process, for tests of what ranks do together.
#pragma once
#include <condition_variable>
#include <cstring>
#include <exception>
#include <mutex>
#include <stdexcept>
#include <thread>
#include <vector>

#include <fauna/dist/communicator.hpp>

namespace test {

/// Where the threads meet: each puts down what it sends, takes what is for it, and goes when all have.
class Meeting {
 public:
  explicit Meeting(int size) : sent_(static_cast<std::size_t>(size)), waits_for_(size) {}

  void exchange(int rank, const fauna::Outgoing* to, const fauna::Incoming* from) {
    sent_[static_cast<std::size_t>(rank)] = to;
    wait();
    for (int r = 0; r < static_cast<int>(sent_.size()); ++r) {
      if (r == rank) continue;
      const fauna::Outgoing& parcel = sent_[static_cast<std::size_t>(r)][rank];
      if (parcel.bytes != from[r].bytes) fail();
      else if (parcel.bytes > 0) std::memcpy(from[r].data, parcel.data, parcel.bytes);
    }
    wait();
  }
  /// Lets all who wait, and come to wait, go with an exception.
  void fail() {
    const std::lock_guard lock(mutex_);
    failed_ = true;
    change_.notify_all();
  }

 private:
  void wait() {
    std::unique_lock lock(mutex_);
    const int round = round_;
    if (++arrived_ == waits_for_) {
      arrived_ = 0;
      ++round_;
      change_.notify_all();
    }
    change_.wait(lock, [&] { return failed_ || round_ != round; });
    if (failed_) throw std::runtime_error("another rank has failed, or sizes do not agree");
  }

  std::vector<const fauna::Outgoing*> sent_;
  std::mutex mutex_;
  std::condition_variable change_;
  int waits_for_, arrived_ = 0, round_ = 0;
  bool failed_ = false;
};

class ThreadRank {
 public:
  ThreadRank(Meeting& meeting, int rank, int size) : meeting_(meeting), rank_(rank), size_(size) {}
  int rank() const { return rank_; }
  int size() const { return size_; }
  void exchange(const fauna::Outgoing* to, const fauna::Incoming* from) { meeting_.exchange(rank_, to, from); }

 private:
  Meeting& meeting_;
  int rank_, size_;
};

/// f(ranks) in n threads. Throws what the first of them has thrown, in the order of ranks.
template <class F> void on_ranks(int n, F&& f) {
  Meeting meeting(n);
  std::vector<std::exception_ptr> thrown(static_cast<std::size_t>(n));
  std::vector<std::thread> threads;
  for (int r = 0; r < n; ++r)
    threads.emplace_back([&, r] {
      try {
        ThreadRank rank(meeting, r, n);
        f(rank);
      } catch (...) {
        thrown[static_cast<std::size_t>(r)] = std::current_exception();
        meeting.fail();
      }
    });
  for (auto& t : threads) t.join();
  for (auto const& e : thrown)
    if (e) std::rethrow_exception(e);
}

}  // namespace test
