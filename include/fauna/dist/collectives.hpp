// What ranks do together, of one exchange of bytes (communicator.hpp). With V bytes in all and n ranks, a rank sends
//   all_gather (n - 1) times its own part      broadcast (n - 1) V at the root, 0 elsewhere
// which is (n - 1) / n · V for parts of equal size.
#pragma once
#include <cstdint>
#include <string>
#include <vector>

#include <fauna/core/error.hpp>
#include <fauna/dist/communicator.hpp>

namespace fauna::inline v0 {

/// Cuts [from, from + n) for the ranks: part r is [at(r), at(r + 1)), and no cut goes through a block, which begin at
/// multiples of its size. Parts differ by one block at most, or two at the ends; where there are fewer blocks than
/// ranks, some are empty.
struct Cut {
  std::size_t n = 0, block = 1;
  int ranks = 1;
  std::size_t from = 0;
  std::size_t at(int r) const {
    const std::size_t first = from / block, blocks = (from + n + block - 1) / block - first;
    const std::size_t i = (first + blocks * static_cast<std::size_t>(r) / static_cast<std::size_t>(ranks)) * block;
    return i < from ? from : i < from + n ? i : from + n;
  }
  std::size_t size(int r) const { return at(r + 1) - at(r); }
};

/// What an all_gather exchanges.
template <Communicator C, class S, class Offset> Parcels all_gather_parcels(C& c, S* data, Offset&& offset) {
  const int me = c.rank();
  Parcels parcels(c.size());
  for (int r = 0; r < c.size(); ++r) {
    if (r == me) continue;
    parcels.send(r, data + offset(me), offset(me + 1) - offset(me));
    parcels.receive(r, data + offset(r), offset(r + 1) - offset(r));
  }
  return parcels;
}
/// Every rank has its part of `data` and gets those of the others. offset(r), for r in [0, ranks], is where part r
/// begins.
template <Communicator C, class S, class Offset> void all_gather(C& c, S* data, Offset&& offset) {
  all_gather_parcels(c, data, offset).exchange(c);
}
/// One value of each rank, in the order of the ranks.
template <Communicator C, class T> std::vector<T> all_gather(C& c, T const& own) {
  std::vector<T> all(static_cast<std::size_t>(c.size()));
  all[static_cast<std::size_t>(c.rank())] = own;
  all_gather(c, all.data(), [](int r) { return static_cast<std::size_t>(r); });
  return all;
}

/// The largest of all ranks' values.
template <Communicator C, class T> T most_of(C& c, T own) {
  for (T const& other : all_gather(c, own))
    if (own < other) own = other;
  return own;
}

/// Throws, on every rank, where a rank's text is not rank 0's; `what` says what it is.
template <Communicator C> void require_same(C& c, std::string const& what, std::uint64_t hash) {
  const auto all = all_gather(c, hash);
  for (std::size_t r = 1; r < all.size(); ++r)
    if (all[r] != all[0])
      fail("ranks", "rank " + std::to_string(r) + " has another " + what + " than rank 0",
           "the same on all " + std::to_string(all.size()) + " ranks");
}

/// The root gets the others' parts, each into its place in `data`; elsewhere `data` is the rank's own part alone.
template <Communicator C, class S> void gather(C& c, S* data, Cut const& cut, int root) {
  Parcels parcels(c.size());
  if (c.rank() != root) parcels.send(root, data, cut.size(c.rank()));
  else
    for (int r = 0; r < c.size(); ++r)
      if (r != root) parcels.receive(r, data + cut.at(r), cut.size(r));
  parcels.exchange(c);
}

/// All get what the root has.
template <Communicator C, class S> void broadcast(C& c, S* data, std::size_t n, int root) {
  Parcels parcels(c.size());
  if (c.rank() != root) parcels.receive(root, data, n);
  else
    for (int r = 0; r < c.size(); ++r)
      if (r != root) parcels.send(r, data, n);
  parcels.exchange(c);
}

/// Returns when every rank has called it.
template <Communicator C> void barrier(C& c) { (void)all_gather(c, char{}); }

// Pieces, and the tree that adds them. A sum of floating-point numbers depends on its order, so the order is that of a
// binary tree over the numbers of the pieces, and never that of ranks or of arrival:
//   sum [from, to) = sum [from, middle) + sum [middle, to),  middle = from + the largest power of two below to - from
// A rank with pieces [from, to) adds up the largest aligned groups of 2^k pieces in it, each a node of that tree. The
// nodes of all ranks are then exchanged and added in the tree's order, whose bits do not depend on the number of ranks.

/// Pieces [first, first + count): a node of the tree where count is a power of two that divides first.
struct PieceNode {
  int first = 0, count = 0;
};

/// The fewest nodes that make up [from, to), ascending: at most 2 log2(to - from) of them.
inline std::vector<PieceNode> piece_nodes(int from, int to) {
  std::vector<PieceNode> nodes;
  while (from < to) {
    int count = 1;
    while (from % (2 * count) == 0 && from + 2 * count <= to) count *= 2;
    nodes.push_back({from, count});
    from += count;
  }
  return nodes;
}

/// Adds values of nodes that together are [from, to), ascending, by the tree; node i's value is value(i), which is
/// replaced. Returns the index of the node that then has the sum.
template <class Nodes, class Add>
std::size_t fold_tree(Nodes const& nodes, int from, int to, std::size_t& at, Add&& add) {
  if (nodes[at].first == from && nodes[at].count == to - from) return at++;
  int half = 1;
  while (2 * half < to - from) half *= 2;
  const std::size_t left = fold_tree(nodes, from, from + half, at, add),
                    right = fold_tree(nodes, from + half, to, at, add);
  add(left, right);
  return left;
}
/// add(i, j): the value of node i becomes value i + value j.
template <class Nodes, class Add> std::size_t fold_tree(Nodes const& nodes, Add&& add) {
  std::size_t at = 0;
  return fold_tree(nodes, 0, nodes.back().first + nodes.back().count, at, add);
}

/// Puts a node behind those that are there, which end where it begins, and adds what the tree has as one: add(i, i +
/// 1), and then node i is their sum and the last one.
template <class Add> void push_node(std::vector<PieceNode>& nodes, PieceNode node, Add&& add) {
  for (; !nodes.empty() && nodes.back().count == node.count && nodes.back().first % (2 * node.count) == 0;
       nodes.pop_back()) {
    add(nodes.size() - 1, nodes.size());
    node = {nodes.back().first, 2 * node.count};
  }
  nodes.push_back(node);
}

/// to_i += x_i. In blocks of a size that a compiler knows, which it makes vectors of.
template <class S> void add_to(S* __restrict to, const S* __restrict x, std::size_t n) {
  constexpr std::size_t block = 64;
  std::size_t i = 0;
  for (; i + block <= n; i += block)
    for (std::size_t k = 0; k < block; ++k) to[i + k] += x[i + k];
  for (; i < n; ++i) to[i] += x[i];
}

/// Who has which of `pieces` pieces: rank r those of [from(r), from(r + 1)).
struct PieceShares {
  int pieces = 1, ranks = 1;
  int from(int r) const { return static_cast<int>(static_cast<std::int64_t>(pieces) * r / ranks); }
  int fewest() const { return pieces / ranks; }
  int most() const { return (pieces + ranks - 1) / ranks; }
  std::vector<PieceNode> nodes(int r) const { return piece_nodes(from(r), from(r + 1)); }
  std::vector<PieceNode> all() const {
    std::vector<PieceNode> nodes_;
    for (int r = 0; r < ranks; ++r)
      for (PieceNode const& node : nodes(r)) nodes_.push_back(node);
    return nodes_;
  }
};

/// The sum over all pieces of an array whose part [cut.at(r), cut.at(r + 1)) goes to rank r: that part of `result`, in
/// its place there. `own[i]` is the array of this rank's node i; all of them are overwritten. A rank sends each of its
/// nodes' arrays but its own part: (n - 1) / n · V bytes a node for equal parts. Takes `most` elements of each part at
/// once, so that they are added while they are in the cache.
template <Communicator C, class S>
void reduce_scatter(C& c, PieceShares const& shares, std::vector<S*> const& own, S* result, Cut const& cut,
                    std::size_t most = std::size_t{1} << 17) {
  const int me = c.rank(), n = c.size();
  const std::vector<PieceNode> nodes = shares.all();
  std::vector<std::size_t> first_of(static_cast<std::size_t>(n) + 1);
  std::size_t slots = 0, largest = 0;
  for (int r = 0; r < n; ++r) {
    const std::size_t count = shares.nodes(r).size();
    first_of[static_cast<std::size_t>(r) + 1] = first_of[static_cast<std::size_t>(r)] + count;
    if (count > slots) slots = count;
    if (cut.size(r) > largest) largest = cut.size(r);
  }
  const auto first = [&](int r) { return first_of[static_cast<std::size_t>(r)]; };
  const auto slice = [&](int r, std::size_t at) {  // elements of part r in the round that begins at `at`
    return at < cut.size(r) ? (cut.size(r) - at < most ? cut.size(r) - at : most) : 0;
  };
  std::vector<S> room(n > 1 ? (nodes.size() - own.size()) * (largest < most ? largest : most) : 0);
  std::vector<S*> values(nodes.size());
  for (std::size_t at = 0; at < largest; at += most) {
    const std::size_t mine = slice(me, at);
    S* free = room.data();
    for (std::size_t slot = 0; slot < slots; ++slot) {
      Parcels parcels(n);
      for (int r = 0; r < n; ++r) {
        const std::size_t node = first(r) + slot;
        if (r == me) {
          if (slot < own.size()) values[node] = own[slot] + cut.at(me) + at;
          continue;
        }
        if (slot < own.size()) parcels.send(r, own[slot] + cut.at(r) + at, slice(r, at));
        if (node >= first(r + 1)) continue;
        values[node] = free;
        parcels.receive(r, free, mine);
        free += mine;
      }
      parcels.exchange(c);
    }
    const std::size_t sum =
        fold_tree(nodes, [&](std::size_t to, std::size_t from) { add_to(values[to], values[from], mine); });
    S* const to = result + cut.at(me) + at;
    if (values[sum] != to)
      for (std::size_t i = 0; i < mine; ++i) to[i] = values[sum][i];
  }
}

}  // namespace fauna::inline v0
