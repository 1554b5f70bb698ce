// Counts what a communicator is asked to move, so that the volumes in docs/distributed.md are tests.
#pragma once
#include <fauna/dist/communicator.hpp>

namespace fauna::inline v0 {

namespace counting_detail {

template <class C> struct PendingOf {};
template <AsynchronousCommunicator C> struct PendingOf<C> { using Pending = typename C::Pending; };

}  // namespace counting_detail

template <Communicator C> class Counting : public counting_detail::PendingOf<C> {
 public:
  explicit Counting(C& c) : c_(c) {}
  int rank() const { return c_.rank(); }
  int size() const { return c_.size(); }
  void exchange(const Outgoing* to, const Incoming* from) {
    count(to);
    c_.exchange(to, from);
  }
  auto begin(const Outgoing* to, const Incoming* from) requires AsynchronousCommunicator<C> {
    count(to);
    return c_.begin(to, from);
  }

  /// Bytes that this rank has sent to others, and calls, since the start or `forget`.
  std::size_t bytes() const { return bytes_; }
  std::size_t calls() const { return calls_; }
  void forget() { bytes_ = calls_ = 0; }

 private:
  void count(const Outgoing* to) {
    ++calls_;
    for (int r = 0; r < size(); ++r)
      if (r != rank()) bytes_ += to[r].bytes;
  }
  C& c_;
  std::size_t bytes_ = 0, calls_ = 0;
};

}  // namespace fauna::inline v0
