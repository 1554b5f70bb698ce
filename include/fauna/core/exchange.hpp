// What ranks hand each other: bytes, of sizes that both sides know.
#pragma once
#include <cstddef>
#include <vector>

#include <fauna/core/version.hpp>

namespace fauna::inline v0 {

/// What goes to a rank, and where what comes from a rank is put. Any size: engines cut what is larger than they take.
struct Outgoing {
  const std::byte* data = nullptr;
  std::size_t bytes = 0;
};
struct Incoming {
  std::byte* data = nullptr;
  std::size_t bytes = 0;
};

/// Both sides of an exchange, at first empty.
class Parcels {
 public:
  explicit Parcels(int ranks) : to_(static_cast<std::size_t>(ranks)), from_(static_cast<std::size_t>(ranks)) {}
  template <class S> void send(int rank, const S* data, std::size_t n) {
    to_[static_cast<std::size_t>(rank)] = {reinterpret_cast<const std::byte*>(data), n * sizeof(S)};
  }
  template <class S> void receive(int rank, S* data, std::size_t n) {
    from_[static_cast<std::size_t>(rank)] = {reinterpret_cast<std::byte*>(data), n * sizeof(S)};
  }
  /// Of a communicator (dist/communicator.hpp), or of a Group.
  template <class C> void exchange(C& c) { c.exchange(to_.data(), from_.data()); }
  template <class C> auto begin(C& c) { return c.begin(to_.data(), from_.data()); }

 private:
  std::vector<Outgoing> to_;
  std::vector<Incoming> from_;
};

}  // namespace fauna::inline v0
