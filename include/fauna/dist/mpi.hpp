// The ranks of an MPI program, started by mpirun. One of them in a process, made first and destroyed last: it starts
// MPI and ends it, and may be split into groups. Messages are plain point-to-point ones; sums are not MPI's
// (communicator.hpp says why).
#pragma once
// Without the C++ bindings, which MPI has dropped.
#define OMPI_SKIP_MPICXX 1
#define MPICH_SKIP_MPICXX 1
#include <mpi.h>

#include <cstdio>
#include <ctime>
#include <exception>
#include <string>
#include <utility>
#include <vector>

#include <fauna/dist/communicator.hpp>

namespace fauna::inline v0 {

class Mpi {
 public:
  /// Messages have at most `largest` bytes, since MPI counts in int.
  explicit Mpi(std::size_t largest = std::size_t{1} << 30) : largest_(largest) {
    int granted = 0;
    MPI_Init_thread(nullptr, nullptr, MPI_THREAD_FUNNELED, &granted);  // one thread communicates, others compute
    count();
  }
  Mpi(Mpi const&) = delete;
  Mpi& operator=(Mpi const&) = delete;
  // Groups are left to MPI_Finalize: to free one takes all of its ranks, and a rank may be here because of an error.
  ~Mpi() {
    if (ranks_ == MPI_COMM_WORLD) MPI_Finalize();
  }
  /// communicator.hpp. A message of one group is never taken for one of another.
  Mpi split(int color) const {
    MPI_Comm group = MPI_COMM_NULL;
    MPI_Comm_split(ranks_, color, rank_, &group);
    return Mpi(group, largest_, patience_);
  }
  /// An exchange that others keep waiting for so many seconds ends all ranks, and says whose messages are missing; 0:
  /// it waits for ever. Groups that are split from now on have the same.
  void give_up_after(double seconds) { patience_ = seconds; }

  int rank() const { return rank_; }
  int size() const { return size_; }
  /// Ranks on this machine, which share its processors.
  int on_machine() const { return on_machine_; }

  /// Errors end all ranks, as MPI has it by default.
  void exchange(const Outgoing* to, const Incoming* from) {
    messages_.clear();
    post(to, from, messages_);
    wait(messages_);
  }
  /// Requests, and for each the rank that it is for and whether that one sends.
  struct Messages {
    std::vector<MPI_Request> requests{};
    std::vector<std::pair<int, bool>> with{};
    void clear() {
      requests.clear();
      with.clear();
    }
    MPI_Request* add(int rank, bool sends) {
      with.emplace_back(rank, sends);
      return &requests.emplace_back();
    }
    bool ended() {
      int all = 0;
      MPI_Testall(static_cast<int>(requests.size()), requests.data(), &all, MPI_STATUSES_IGNORE);
      return all != 0;
    }
  };
  /// Messages on their way. MPI moves large ones in its calls alone, so whoever wants them beside other work asks
  /// often.
  class Pending {
   public:
    bool ended() { return messages_.ended(); }
    void wait() { of_->wait(messages_); }

   private:
    friend class Mpi;
    explicit Pending(Mpi& of) : of_(&of) {}
    Mpi* of_;
    Messages messages_{};
  };
  Pending begin(const Outgoing* to, const Incoming* from) {
    Pending pending(*this);
    post(to, from, pending.messages_);
    return pending;
  }

  /// Ends all ranks with a message that names this one. An error that all ranks have met is said once: rank 0 speaks at
  /// once, and the others only if it has not ended them after three seconds.
  [[noreturn]] void abort(const char* what) {
    std::fflush(nullptr);
    if (rank_ != 0) {
      const timespec seconds{3, 0};
      ::nanosleep(&seconds, nullptr);
    }
    std::fprintf(stderr, "[rank %d of %d] %s\n", rank_, size_, what);
    std::fflush(nullptr);
    MPI_Abort(MPI_COMM_WORLD, 1);
    std::terminate();
  }

 private:
  static double seconds() {
    timespec now{};
    ::clock_gettime(CLOCK_MONOTONIC, &now);
    return static_cast<double>(now.tv_sec) + 1e-9 * static_cast<double>(now.tv_nsec);
  }
  void wait(Messages& m) {
    if (!(patience_ > 0)) {
      MPI_Waitall(static_cast<int>(m.requests.size()), m.requests.data(), MPI_STATUSES_IGNORE);
      return;
    }
    const double begin = seconds();
    while (!m.ended())
      if (seconds() - begin > patience_) give_up(m);
  }
  [[noreturn]] void give_up(Messages const& m) {
    std::string missing;
    for (std::size_t i = 0; i < m.requests.size(); ++i) {
      int ended = 0;
      MPI_Request_get_status(m.requests[i], &ended, MPI_STATUS_IGNORE);
      const std::string who =
          std::string(m.with[i].second ? "from" : "to") + " rank " + std::to_string(m.with[i].first);
      if (ended == 0 && missing.find(who) == missing.npos) missing += (missing.empty() ? "" : ", ") + who;
    }
    const auto s = std::to_string(static_cast<long>(patience_));
    abort(("[mpi] an exchange of " + std::to_string(size_) + " ranks has not ended after " + s +
           " s, expected messages " + missing + ": does a rank hang?")
              .c_str());
  }
  void post(const Outgoing* to, const Incoming* from, Messages& messages) {
    const auto each = [this](std::size_t bytes, auto&& f) {
      for (std::size_t at = 0; at < bytes; at += largest_)
        f(at, static_cast<int>(bytes - at < largest_ ? bytes - at : largest_));
    };
    for (int step = 1; step < size_; ++step) {  // not all to the same rank first
      const int source = (rank_ + size_ - step) % size_;
      each(from[source].bytes, [&](std::size_t at, int count) {
        MPI_Irecv(from[source].data + at, count, MPI_BYTE, source, 0, ranks_, messages.add(source, true));
      });
    }
    for (int step = 1; step < size_; ++step) {
      const int target = (rank_ + step) % size_;
      each(to[target].bytes, [&](std::size_t at, int count) {
        MPI_Isend(to[target].data + at, count, MPI_BYTE, target, 0, ranks_, messages.add(target, false));
      });
    }
  }
  Mpi(MPI_Comm ranks, std::size_t largest, double patience) : largest_(largest), patience_(patience), ranks_(ranks) {
    count();
  }
  void count() {
    MPI_Comm_rank(ranks_, &rank_);
    MPI_Comm_size(ranks_, &size_);
    MPI_Comm machine = MPI_COMM_NULL;
    MPI_Comm_split_type(ranks_, MPI_COMM_TYPE_SHARED, 0, MPI_INFO_NULL, &machine);
    MPI_Comm_size(machine, &on_machine_);
    MPI_Comm_free(&machine);
  }

  std::size_t largest_;
  double patience_ = 600;
  MPI_Comm ranks_ = MPI_COMM_WORLD;
  int rank_ = 0, size_ = 1, on_machine_ = 1;
  Messages messages_{};
};

/// f(ranks) on every rank of a program; what it returns. An exception on any of them ends all.
template <class F> int on_mpi_ranks(F&& f) {
  Mpi ranks;
  try {
    return f(ranks);
  } catch (std::exception const& e) {
    ranks.abort(e.what());
  }
}

}  // namespace fauna::inline v0
