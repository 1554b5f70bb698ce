// A communicator joins ranks: processes, or threads, that run the same program on parts of one task. It moves bytes and
// does nothing else. Sums are made by collectives.hpp from what has arrived, in an order of their own, since no engine
// promises one: MPI's reductions may give other bits for other numbers of ranks, message sizes and algorithms.
#pragma once
#include <concepts>

#include <fauna/core/exchange.hpp>

namespace fauna::inline v0 {

/// exchange(to, from): to[r] goes to rank r and from[r] is what rank r sends here; both sizes are known on both sides.
/// The entries of one's own rank are not looked at. Every rank calls it, in the same order as the others; it returns
/// when all has been sent and has arrived. Throws, or ends the process, where another rank has failed.
template <class C>
concept Communicator = requires(C& c, const Outgoing* to, const Incoming* from) {
  { c.rank() } -> std::same_as<int>;  // in [0, size)
  { c.size() } -> std::same_as<int>;
  c.exchange(to, from);
};
/// begin(to, from) is an exchange that goes on while the rank does other things: all of it is done once ended(), which
/// also moves it along, as some engines do nothing unasked, says so, or once wait() returns. Until then nobody touches
/// what is sent and what is received; `to` and `from` themselves may go. Exchanges of both kinds are matched in the
/// order in which the ranks begin them.
template <class C>
concept AsynchronousCommunicator = Communicator<C> && requires(C& c, const Outgoing* to, const Incoming* from) {
  { c.begin(to, from) } -> std::same_as<typename C::Pending>;
} && requires(typename C::Pending& p) {
  { p.ended() } -> std::same_as<bool>;
  p.wait();
};
/// split(color), which every rank calls: ranks with the same color become ranks of their own, in the same order. What
/// it returns lives no longer than what was split.
template <class C>
concept SplitCommunicator = Communicator<C> && requires(C& c, int color) {
  { c.split(color) } -> std::same_as<C>;
};

}  // namespace fauna::inline v0
