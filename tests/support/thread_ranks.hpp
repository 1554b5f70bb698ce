// Ranks as threads of this process, for tests of what ranks do together.
#pragma once
#include <condition_variable>
#include <cstring>
#include <exception>
#include <memory>
#include <mutex>
#include <stdexcept>
#include <thread>
#include <utility>
#include <vector>

#include <fauna/dist/communicator.hpp>

namespace test {

/// Where the threads meet: each puts down what it sends, takes what is for it, and goes when all have.
class Meeting {
 public:
  explicit Meeting(int size)
      : sent_(static_cast<std::size_t>(size)), colors_(sent_.size()), made_(sent_.size()), waits_for_(size) {}

  int size() const { return waits_for_; }
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
  /// A meeting of those with the same color alone, and this rank's number there.
  std::pair<Meeting*, int> split(int rank, int color) {
    colors_[static_cast<std::size_t>(rank)] = color;
    wait();
    int first = -1, number = 0, size = 0;
    for (int r = 0; r < static_cast<int>(colors_.size()); ++r) {
      if (colors_[static_cast<std::size_t>(r)] != color) continue;
      if (first < 0) first = r;
      if (r < rank) ++number;
      ++size;
    }
    if (first == rank) {
      const std::lock_guard lock(mutex_);
      made_[static_cast<std::size_t>(rank)] = groups_.emplace_back(std::make_unique<Meeting>(size)).get();
    }
    wait();
    return {made_[static_cast<std::size_t>(first)], number};
  }
  /// Lets all who wait, and come to wait, go with an exception; here and in the meetings of groups.
  void fail() {
    const std::lock_guard lock(mutex_);
    failed_ = true;
    change_.notify_all();
    for (auto const& group : groups_) group->fail();
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
  std::vector<int> colors_;
  std::vector<Meeting*> made_;  ///< by the first of each group
  std::vector<std::unique_ptr<Meeting>> groups_;
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
  ThreadRank split(int color) const {
    const auto [group, number] = meeting_.split(rank_, color);
    return {*group, number, group->size()};
  }
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
