// Ranks with a GPU each, by NCCL. What is exchanged may lie in the device's memory, and goes from device to device;
// what lies in the host's goes by way of the device's. NCCL's reductions are not used (communicator.hpp says why).
//   Mpi ranks;                                             // or any communicator: it hands round how ranks are found
//   Nccl devices = Nccl::among(ranks, ranks.rank() % 8);   // the second number: the rank's own device
#pragma once
#include <cuda_runtime_api.h>
#include <nccl.h>

#include <ctime>
#include <string>
#include <utility>
#include <vector>

#include <fauna/core/error.hpp>
#include <fauna/dist/communicator.hpp>

namespace fauna::inline v0 {

namespace nccl_detail {

inline void check(cudaError_t e, const char* what) {
  if (e != cudaSuccess) fail("nccl", what + std::string(": ") + cudaGetErrorString(e), "a device that works");
}
inline void check(ncclResult_t r, const char* what) {
  if (r != ncclSuccess && r != ncclInProgress)
    fail("nccl", what + std::string(": ") + ncclGetErrorString(r) + ", " + ncclGetLastError(nullptr),
         "ranks that all take part");
}

/// Does it lie where NCCL can read and write it?
inline bool on_device(const void* p) {
  cudaPointerAttributes a{};
  if (cudaPointerGetAttributes(&a, p) != cudaSuccess) {
    (void)cudaGetLastError();
    return false;
  }
  return a.type == cudaMemoryTypeDevice || a.type == cudaMemoryTypeManaged;
}

/// Device memory that is given back in the order of a stream.
class Staged {
 public:
  Staged(std::size_t bytes, cudaStream_t stream) : stream_(stream) {
    check(cudaMallocAsync(&data_, bytes, stream), "memory for what is exchanged");
  }
  Staged(Staged&& other) noexcept : data_(std::exchange(other.data_, nullptr)), stream_(other.stream_) {}
  Staged& operator=(Staged&& other) noexcept {
    std::swap(data_, other.data_);
    std::swap(stream_, other.stream_);
    return *this;
  }
  ~Staged() {
    if (data_ != nullptr) (void)cudaFreeAsync(data_, stream_);
  }
  void* data() const { return data_; }

 private:
  void* data_ = nullptr;
  cudaStream_t stream_;
};

}  // namespace nccl_detail

class Nccl {
 public:
  /// Ranks of `ranks`, which lives on its own, by their devices. An exchange that has not ended after `patience`
  /// seconds is an error, as is one that another rank's error has ended.
  template <Communicator C> static Nccl among(C& ranks, int device, double patience = 600) {
    ncclUniqueId id{};
    if (ranks.rank() == 0) nccl_detail::check(ncclGetUniqueId(&id), "how ranks are found");
    Parcels parcels(ranks.size());
    for (int r = 1; r < ranks.size(); ++r) {
      if (ranks.rank() == 0) parcels.send(r, id.internal, sizeof id.internal);
      else if (ranks.rank() == r) parcels.receive(0, id.internal, sizeof id.internal);
    }
    parcels.exchange(ranks);
    nccl_detail::check(cudaSetDevice(device), "the device of this rank");
    ncclComm_t comm = nullptr;
    nccl_detail::check(ncclCommInitRank(&comm, ranks.size(), id, ranks.rank()), "the ranks");
    return Nccl(comm, patience);
  }
  Nccl(Nccl const&) = delete;
  Nccl& operator=(Nccl const&) = delete;
  ~Nccl() {
    (void)cudaStreamDestroy(stream_);
    (void)ncclCommDestroy(comm_);
  }
  /// communicator.hpp
  Nccl split(int color) const {
    ncclComm_t group = nullptr;
    nccl_detail::check(ncclCommSplit(comm_, color, rank_, &group, nullptr), "a group of ranks");
    return Nccl(group, patience_);
  }

  int rank() const { return rank_; }
  int size() const { return size_; }
  void exchange(const Outgoing* to, const Incoming* from) { begin(to, from).wait(); }

  /// Messages on their way. Those from and to the device's memory go on by themselves.
  class Pending {
   public:
    Pending(Pending&& other) noexcept
        : of_(other.of_), done_(std::exchange(other.done_, nullptr)), staged_(std::move(other.staged_)) {}
    Pending& operator=(Pending&& other) noexcept {
      std::swap(of_, other.of_);
      std::swap(done_, other.done_);
      std::swap(staged_, other.staged_);
      return *this;
    }
    ~Pending() {
      if (done_ != nullptr) (void)cudaEventDestroy(done_);
    }
    bool ended() {
      const cudaError_t e = cudaEventQuery(done_);
      if (e == cudaSuccess) return true;
      if (e != cudaErrorNotReady) nccl_detail::check(e, "an exchange");
      of_->require_sound();
      return false;
    }
    void wait() {
      timespec begin{}, now{};
      ::clock_gettime(CLOCK_MONOTONIC, &begin);
      while (!ended()) {
        ::clock_gettime(CLOCK_MONOTONIC, &now);
        const double seconds =
            static_cast<double>(now.tv_sec - begin.tv_sec) + 1e-9 * static_cast<double>(now.tv_nsec - begin.tv_nsec);
        if (seconds > of_->patience_) of_->give_up(seconds);
      }
    }

   private:
    friend class Nccl;
    explicit Pending(Nccl& of) : of_(&of) {
      nccl_detail::check(cudaEventCreateWithFlags(&done_, cudaEventDisableTiming), "an event");
    }
    Nccl* of_;
    cudaEvent_t done_ = nullptr;
    std::vector<nccl_detail::Staged> staged_{};
  };
  Pending begin(const Outgoing* to, const Incoming* from) {
    using namespace nccl_detail;
    Pending pending(*this);
    struct Back {
      std::byte* to;
      const void* from;
      std::size_t bytes;
    };
    std::vector<const void*> sent(static_cast<std::size_t>(size_));
    std::vector<void*> received(sent.size());
    std::vector<Back> back;
    for (int r = 0; r < size_; ++r) {
      if (r == rank_) continue;
      const auto at = static_cast<std::size_t>(r);
      sent[at] = to[r].data;
      received[at] = from[r].data;
      if (to[r].bytes > 0 && !on_device(to[r].data)) {
        pending.staged_.emplace_back(to[r].bytes, stream_);
        sent[at] = pending.staged_.back().data();
        check(cudaMemcpyAsync(pending.staged_.back().data(), to[r].data, to[r].bytes, cudaMemcpyHostToDevice, stream_),
              "a copy to the device");
      }
      if (from[r].bytes > 0 && !on_device(from[r].data)) {
        pending.staged_.emplace_back(from[r].bytes, stream_);
        received[at] = pending.staged_.back().data();
        back.push_back({from[r].data, received[at], from[r].bytes});
      }
    }
    check(ncclGroupStart(), "a group of messages");
    for (int r = 0; r < size_; ++r) {
      const auto at = static_cast<std::size_t>(r);
      if (r == rank_) continue;
      if (to[r].bytes > 0) check(ncclSend(sent[at], to[r].bytes, ncclUint8, r, comm_, stream_), "a message");
      if (from[r].bytes > 0) check(ncclRecv(received[at], from[r].bytes, ncclUint8, r, comm_, stream_), "a message");
    }
    check(ncclGroupEnd(), "a group of messages");
    for (Back const& b : back)
      check(cudaMemcpyAsync(b.to, b.from, b.bytes, cudaMemcpyDeviceToHost, stream_), "a copy from the device");
    check(cudaEventRecord(pending.done_, stream_), "an event");
    return pending;
  }

 private:
  Nccl(ncclComm_t comm, double patience) : comm_(comm), patience_(patience) {
    nccl_detail::check(ncclCommUserRank(comm_, &rank_), "a rank's number");
    nccl_detail::check(ncclCommCount(comm_, &size_), "the number of ranks");
    nccl_detail::check(cudaStreamCreateWithFlags(&stream_, cudaStreamNonBlocking), "a stream");
  }
  /// Throws where NCCL knows of an error, of this rank or of another.
  void require_sound() const {
    ncclResult_t state = ncclSuccess;
    nccl_detail::check(ncclCommGetAsyncError(comm_, &state), "the state of the ranks");
    nccl_detail::check(state, "an exchange");
  }
  [[noreturn]] void give_up(double seconds) {
    (void)ncclCommAbort(comm_);
    fail("nccl",
         "an exchange of rank " + std::to_string(rank_) + " of " + std::to_string(size_) +
             " that has not ended after " + std::to_string(static_cast<long>(seconds)) + " s",
         "ranks that all take part");
  }

  ncclComm_t comm_;
  double patience_;
  cudaStream_t stream_ = nullptr;
  int rank_ = 0, size_ = 1;
};

}  // namespace fauna::inline v0
