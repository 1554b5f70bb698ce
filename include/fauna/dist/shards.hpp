// How a model's tensors are cut for ranks. A unit is what is gathered and reduced at once: a layer of the outermost
// stack, or all that is outside of it. Its tensors are one array, cut into a part a rank:
//
//   layer 0       | rank 0 | rank 1 | rank 2 |
//   layer 1       | rank 0 | rank 1 | rank 2 |        a rank's shards are its part of each
//   outside       | rank 0 | rank 1 | rank 2 |
#pragma once
#include <vector>

#include <fauna/dist/collectives.hpp>
#include <fauna/train/trained.hpp>

namespace fauna::inline v0 {

inline constexpr int outside = -1;  ///< the unit of what is in no layer

/// Tensors that lie one after another, among gradients as among values.
struct Shard {
  int unit = outside;      ///< or the layer
  bool trains = true;      ///< frozen tensors lie apart
  Cut cut{};               ///< of the elements of Trained::reduce
  std::size_t values = 0;  ///< where its first value is among the elements of Trained::share
  std::size_t kept = 0;    ///< where this rank's part begins in memory of its parts alone
};

/// The numbers of a model's tensors in the order in which their gradients lie.
template <class T> std::vector<std::size_t> by_place(T const& model) {
  std::vector<std::size_t> order;
  for (std::size_t i = 0; i < model.parameters().size(); ++i) {
    std::size_t at = order.size();
    for (order.push_back(i); at > 0 && model.parameters()[order[at - 1]].place > model.parameters()[i].place; --at)
      order[at] = order[at - 1];
    order[at] = i;
  }
  return order;
}

/// All of a model, ascending. Without `by_layer` all is one unit.
template <class T> std::vector<Shard> shards_of(T& model, bool by_layer, int rank, int ranks, std::size_t block) {
  std::vector<Shard> all;
  std::size_t end = 0, kept = 0;
  model.reduce([&end](auto*, std::size_t n) { end = n; });
  for (const std::size_t i : by_place(model)) {
    Parameter const& p = model.parameters()[i];
    const int unit = by_layer ? p.layer : outside;
    if (!all.empty()) {
      Shard const& s = all.back();
      if (s.unit == unit && s.trains == p.trainable && p.offset - s.values == p.place - s.cut.from) continue;
    }
    all.push_back({unit, p.trainable, {0, block, ranks, p.place}, p.offset});
  }
  for (std::size_t i = 0; i < all.size(); ++i) {
    all[i].cut.n = (i + 1 < all.size() ? all[i + 1].cut.from : end) - all[i].cut.from;
    all[i].kept = kept;
    kept += all[i].cut.size(rank);
  }
  return all;
}

/// Elements that a rank holds: its own of all units; and for a pass the whole unit outside of layers and the largest of
/// the layers, of which these are the others' parts; `layer` is of that layer alone.
struct ShardSizes {
  std::size_t own = 0, beside = 0, layer = 0;
};
inline ShardSizes sizes_of(std::vector<Shard> const& shards, int rank, bool of_trained) {
  ShardSizes sizes;
  for (Shard const& s : shards) {
    if (of_trained && !s.trains) continue;
    sizes.own += s.cut.size(rank);
    std::size_t others = 0;
    for (Shard const& same : shards)
      if (same.unit == s.unit && (same.trains || !of_trained)) others += same.cut.n - same.cut.size(rank);
    if (s.unit == outside) sizes.beside += s.cut.n - s.cut.size(rank);
    else if (others > sizes.layer) sizes.layer = others;
  }
  sizes.beside += sizes.layer;
  return sizes;
}

}  // namespace fauna::inline v0
