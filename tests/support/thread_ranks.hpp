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
      : sent_(static_cast<std::size_t>(size)),
        begun_by_(sent_.size()),
        colors_(sent_.size()),
        made_(sent_.size()),
        waits_for_(size) {}

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
  /// An exchange that is done once all ranks have begun it: the last of them moves the bytes. Until then what is to
  /// arrive is spoilt, so that whoever reads it too early sees that. Its number, of this rank's.
  std::size_t begin(int rank, const fauna::Outgoing* to, const fauna::Incoming* from) {
    const std::lock_guard lock(mutex_);
    const std::size_t number = begun_by_[static_cast<std::size_t>(rank)]++;
    if (number == begun_.size()) begun_.emplace_back(sent_.size());
    Begun& now = begun_[number];
    now.to[static_cast<std::size_t>(rank)].assign(to, to + sent_.size());
    now.from[static_cast<std::size_t>(rank)].assign(from, from + sent_.size());
    for (int r = 0; r < waits_for_; ++r)
      if (r != rank && from[r].bytes > 0) std::memset(from[r].data, 0xff, from[r].bytes);
    if (++now.ranks < waits_for_) return number;
    for (std::size_t r = 0; r < sent_.size(); ++r)
      for (std::size_t s = 0; s < sent_.size(); ++s) {
        if (r == s) continue;
        if (now.to[s][r].bytes != now.from[r][s].bytes) failed_ = true;
        else if (now.to[s][r].bytes > 0) std::memcpy(now.from[r][s].data, now.to[s][r].data, now.to[s][r].bytes);
      }
    change_.notify_all();
    return number;
  }
  bool ended(std::size_t number) {
    const std::lock_guard lock(mutex_);
    return begun_[number].ranks == waits_for_;
  }
  void wait_for(std::size_t number) {
    std::unique_lock lock(mutex_);
    change_.wait(lock, [&] { return failed_ || begun_[number].ranks == waits_for_; });
    if (failed_) throw std::runtime_error("another rank has failed, or sizes do not agree");
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

  struct Begun {
    explicit Begun(std::size_t size) : to(size), from(size) {}
    std::vector<std::vector<fauna::Outgoing>> to;
    std::vector<std::vector<fauna::Incoming>> from;
    int ranks = 0;
  };
  std::vector<const fauna::Outgoing*> sent_;
  std::vector<Begun> begun_;           ///< all that there ever were
  std::vector<std::size_t> begun_by_;  ///< how many, by each rank
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

 protected:
  Meeting& meeting_;
  int rank_, size_;
};

/// With asynchronous exchanges beside the others.
class AsyncThreadRank : public ThreadRank {
 public:
  AsyncThreadRank(ThreadRank const& rank) : ThreadRank(rank) {}
  AsyncThreadRank split(int color) const { return ThreadRank::split(color); }
  class Pending {
   public:
    Pending(Meeting& meeting, std::size_t number) : meeting_(&meeting), number_(number) {}
    bool ended() const { return meeting_->ended(number_); }
    void wait() const { meeting_->wait_for(number_); }

   private:
    Meeting* meeting_;
    std::size_t number_;
  };
  Pending begin(const fauna::Outgoing* to, const fauna::Incoming* from) {
    return {meeting_, meeting_.begin(rank_, to, from)};
  }
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
