// Gradients on their way to the rank that adds them, while a rank goes on: one unit's (shards.hpp) at a time.
#pragma once
#include <vector>

#include <fauna/backend/memory.hpp>
#include <fauna/dist/collectives.hpp>
#include <fauna/dist/shards.hpp>

namespace fauna::inline v0 {

namespace in_flight_detail {

struct Nothing {
  static constexpr bool ended() { return true; }
  static constexpr void wait() {}
};
template <class C> struct PendingOf { using type = Nothing; };
template <AsynchronousCommunicator C> struct PendingOf<C> { using type = typename C::Pending; };

}  // namespace in_flight_detail

/// An exchange of C that was begun; of communicators that begin none, one that has ended.
template <class C> using Pending = typename in_flight_detail::PendingOf<C>::type;

/// Bytes of memory for what arrives: the largest unit's parts of the other ranks, of `arrays` arrays in all.
inline std::size_t in_flight_bytes(std::vector<Shard> const& shards, int rank, std::size_t arrays, std::size_t size) {
  std::size_t largest = 0;
  for (Shard const& s : shards) {
    std::size_t own = 0;
    for (Shard const& same : shards)
      if (same.unit == s.unit && same.trains) own += same.cut.size(rank);
    if (own > largest) largest = own;
  }
  return arrays * largest * size;
}

template <Communicator C> class InFlight {
 public:
  /// Is there no unit between begin and end?
  bool empty() const { return sums_.empty(); }
  /// Rank r gets its parts of this rank's arrays `own`, whose elements are those of Trained::reduce, and sends
  /// counts[r] arrays. Nobody writes to them before `end`.
  template <class S>
  void begin(C& c, std::vector<Shard> const& shards, int unit, std::vector<S*> const& own,
             std::vector<int> const& counts) {
    const int me = c.rank(), n = c.size();
    std::size_t arrays = 0;
    int slots = 0;
    for (int r = 0; r < n; ++r) {
      if (r != me) arrays += static_cast<std::size_t>(counts[static_cast<std::size_t>(r)]);
      if (counts[static_cast<std::size_t>(r)] > slots) slots = counts[static_cast<std::size_t>(r)];
    }
    std::size_t room = 0;
    for (Shard const& s : shards)
      if (s.unit == unit && s.trains) room += arrays * s.cut.size(me);
    grow(room_, room * sizeof(S));
    S* free = static_cast<S*>(room_.data());
    for (Shard const& s : shards) {
      if (s.unit != unit || !s.trains) continue;
      Sum& sum = sums_.emplace_back();
      sum.shard = &s;
      for (int r = 0; r < n; ++r) {
        sum.first.push_back(free);
        if (r != me) free += static_cast<std::size_t>(counts[static_cast<std::size_t>(r)]) * s.cut.size(me);
      }
      for (int slot = 0; slot < slots; ++slot) {
        Parcels parcels(n);
        for (int r = 0; r < n; ++r) {
          if (r == me) continue;
          if (slot < counts[static_cast<std::size_t>(me)])
            parcels.send(r, own[static_cast<std::size_t>(slot)] + s.cut.at(r), s.cut.size(r));
          if (slot < counts[static_cast<std::size_t>(r)])
            parcels.receive(r, sum.template array<S>(r, slot, s.cut.size(me)), s.cut.size(me));
        }
        if constexpr (AsynchronousCommunicator<C>) pending_.push_back(parcels.begin(c));
      }
    }
  }
  /// Moves it along. Ranks do not agree on when it has arrived, so nothing else follows from that.
  void poll() {
    for (auto& p : pending_) (void)p.ended();
  }
  /// Waits, and add(shard, arrived) for each of the unit's: arrived(r, i) is what rank r, another one, has sent as its
  /// array i, this rank's part.
  template <class S, class F> void end(int rank, F&& add) {
    for (auto& p : pending_) p.wait();
    pending_.clear();
    for (Sum const& sum : sums_)
      add(*sum.shard, [&](int r, int i) { return sum.template array<S>(r, i, sum.shard->cut.size(rank)); });
    sums_.clear();
  }

 private:
  struct Sum {
    Shard const* shard = nullptr;
    std::vector<void*> first;  ///< of each rank's arrays
    template <class S> S* array(int rank, int i, std::size_t size) const {
      return static_cast<S*>(first[static_cast<std::size_t>(rank)]) + static_cast<std::size_t>(i) * size;
    }
  };
  std::vector<Sum> sums_;
  std::vector<Pending<C>> pending_;
  Region room_;
};

}  // namespace fauna::inline v0
