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
    return Mpi(group, largest_);
  }

  int rank() const { return rank_; }
  int size() const { return size_; }
  /// Ranks on this machine, which share its processors.
  int on_machine() const { return on_machine_; }

  /// Errors end all ranks, as MPI has it by default.
  void exchange(const Outgoing* to, const Incoming* from) {
    requests_.clear();
    post(to, from, requests_);
    MPI_Waitall(static_cast<int>(requests_.size()), requests_.data(), MPI_STATUSES_IGNORE);
  }
  /// Messages on their way. MPI moves large ones in its calls alone, so whoever wants them beside other work asks
  /// often.
  class Pending {
   public:
    bool ended() {
      int all = 0;
      MPI_Testall(static_cast<int>(requests_.size()), requests_.data(), &all, MPI_STATUSES_IGNORE);
      return all != 0;
    }
    void wait() { MPI_Waitall(static_cast<int>(requests_.size()), requests_.data(), MPI_STATUSES_IGNORE); }

   private:
    friend class Mpi;
    std::vector<MPI_Request> requests_;
  };
  Pending begin(const Outgoing* to, const Incoming* from) {
    Pending pending;
    post(to, from, pending.requests_);
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
  void post(const Outgoing* to, const Incoming* from, std::vector<MPI_Request>& requests) {
    const auto each = [this](std::size_t bytes, auto&& f) {
      for (std::size_t at = 0; at < bytes; at += largest_)
        f(at, static_cast<int>(bytes - at < largest_ ? bytes - at : largest_));
    };
    for (int step = 1; step < size_; ++step) {  // not all to the same rank first
      const int source = (rank_ + size_ - step) % size_;
      each(from[source].bytes, [&](std::size_t at, int count) {
        MPI_Irecv(from[source].data + at, count, MPI_BYTE, source, 0, ranks_, &requests.emplace_back());
      });
    }
    for (int step = 1; step < size_; ++step) {
      const int target = (rank_ + step) % size_;
      each(to[target].bytes, [&](std::size_t at, int count) {
        MPI_Isend(to[target].data + at, count, MPI_BYTE, target, 0, ranks_, &requests.emplace_back());
      });
    }
  }
  Mpi(MPI_Comm ranks, std::size_t largest) : largest_(largest), ranks_(ranks) { count(); }
  void count() {
    MPI_Comm_rank(ranks_, &rank_);
    MPI_Comm_size(ranks_, &size_);
    MPI_Comm machine = MPI_COMM_NULL;
    MPI_Comm_split_type(ranks_, MPI_COMM_TYPE_SHARED, 0, MPI_INFO_NULL, &machine);
    MPI_Comm_size(machine, &on_machine_);
    MPI_Comm_free(&machine);
  }

  std::size_t largest_;
  MPI_Comm ranks_ = MPI_COMM_WORLD;
  int rank_ = 0, size_ = 1, on_machine_ = 1;
  std::vector<MPI_Request> requests_;
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
