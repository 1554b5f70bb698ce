// What blocks that run on several ranks ask of the group that a call knows (core/call.hpp).
#pragma once
#include <string>
#include <vector>

#include <fauna/core/call.hpp>

namespace fauna::inline v0 {

/// The ranks of a call. Throws unless they are as many as the model was made for.
template <class C> Group<typename C::scalar> const& ranks_of(C const& c, int ranks) {
  if (c.group == nullptr || c.group->size != ranks)
    fail(c.path.str(), std::to_string(c.group == nullptr ? 0 : c.group->size) + " ranks", std::to_string(ranks),
         "a model that ranks share runs on those of its type");
  return *c.group;
}

/// What each rank has, in the order of the ranks.
template <class S, class T> std::vector<T> from_all(Group<S> const& g, T const& own) {
  std::vector<T> all(static_cast<std::size_t>(g.size));
  all[static_cast<std::size_t>(g.rank)] = own;
  Parcels parcels(g.size);
  for (int r = 0; r < g.size; ++r) {
    if (r == g.rank) continue;
    parcels.send(r, &own, 1);
    parcels.receive(r, &all[static_cast<std::size_t>(r)], 1);
  }
  parcels.exchange(g);
  return all;
}

/// Hands an array on in a chain of ranks, from the first to the last or back: `run` is called when what the one before
/// left is in `x`, on the first rank zeros, and leaves there what the next one gets. All ranks call it; in an engine
/// whose messages do not wait for each other a rank waits for those before it alone.
template <class S, class F> void in_turn(Group<S> const& g, bool back, S* x, std::size_t n, F&& run) {
  const int place = back ? g.size - 1 - g.rank : g.rank, step = back ? -1 : 1;
  for (int turn = 0; turn < g.size; ++turn) {
    if (turn == place) {
      if (place == 0)
        for (std::size_t i = 0; i < n; ++i) x[i] = S{};
      run();
    }
    if (turn + 1 == g.size) break;
    Parcels parcels(g.size);
    if (turn == place) parcels.send(g.rank + step, x, n);
    if (turn + 1 == place) parcels.receive(g.rank - step, x, n);
    parcels.exchange(g);
  }
}

}  // namespace fauna::inline v0
