// ZeRO within groups of ranks, and copies of the model between them: what is sent most stays within a group (Zhao et
// al. 2023, "PyTorch FSDP", section 3.2.2, hybrid sharding). With 2 replicas of 3 shards:
//
//   replica 0    rank 0: part 0    rank 1: part 1    rank 2: part 2      gradients are added along a row, as ZeRO does,
//   replica 1    rank 3: part 0    rank 4: part 1    rank 5: part 2      and a part's down its column
//
// With R replicas a rank sends, beside what ZeRO sends in its group, 2 (R - 1)/R of its part's gradients in an update.
#pragma once
#include <string>
#include <vector>

#include <fauna/dist/data_parallel.hpp>

namespace fauna::inline v0 {

/// A rank's row and column. All ranks make it together; throws unless they come out even.
template <class C> struct ReplicaGroups {
  static_assert(SplitCommunicator<C>, "fauna: replicas want a communicator that splits");
  C& all;
  C shards, replicas;

  ReplicaGroups(C& ranks, int number_of_replicas)
      : all(ranks),
        shards(ranks.split(ranks.rank() / per_replica(ranks, number_of_replicas))),
        replicas(ranks.split(ranks.rank() % per_replica(ranks, number_of_replicas))) {}

 private:
  static int per_replica(C& ranks, int n) {
    if (n < 1 || ranks.size() % n != 0)
      fail("ranks", std::to_string(n) + " replicas on " + std::to_string(ranks.size()) + " ranks",
           "a number that divides them");
    return ranks.size() / n;
  }
};

/// The ranks of a run (train/one_rank.hpp), in replicas whose ranks share what ZeRO's stage says. Replicas have
/// neighbouring pieces of an update; where each has a power of two of them, the bits are those of one rank.
template <Communicator C, int Zero = 3> class HybridSharded {
  static_assert(Zero >= 1, "fauna: replicas of shards are in one of ZeRO's stages; 0 is plain data parallel");
  using Within = DataParallel<C, Zero>;

 public:
  /// `pieces` as DataParallel's, of all replicas.
  explicit HybridSharded(ReplicaGroups<C>& groups, int pieces = 0, overlap how = overlap::off)
      : groups_(&groups),
        asked_(pieces > 0),
        overlap_(how),
        pieces_(pieces > 0 ? pieces : groups.all.size()),
        within_(own_pieces()) {}

  bool writes() const { return groups_->all.rank() == 0; }
  bool evaluates() const { return within_.evaluates(); }
  int pieces() const { return pieces_; }
  /// How the model is cut within a replica.
  std::vector<Shard> const& shards() const { return within_.shards(); }
  static constexpr bool by_layer = Within::by_layer;

  void divide(int batches) {
    if (Zero < 2) return;
    if (!asked_) pieces_ = batches * ((groups_->all.size() + batches - 1) / batches);
    if (pieces_ % batches != 0)
      fail("train", std::to_string(pieces_) + " pieces of an update of " + std::to_string(batches) + " batches",
           "pieces of one batch each", "a multiple of the batches, or ZeRO's stage 1, which adds up any");
    within_ = own_pieces();
  }
  template <class T> void start(T& model) { within_.start(model); }
  template <class T> void last_batch(T& model) { within_.last_batch(model); }
  template <class T, class F> double gradients(T& model, F&& pass) {
    const int first = shares().from(groups_->replicas.rank());
    const double loss = within_.gradients(model, [&](int i) { return pass(first + i); });
    add_replicas(model);
    std::vector<double> losses = all_gather(groups_->replicas, loss);
    return losses[fold_tree(of_replicas().all(),
                            [&](std::size_t to, std::size_t from) { losses[to] += losses[from]; })];
  }
  template <class T> UpdateReport update(T& model, AdamWOptions const& o) { return within_.update(model, o); }
  /// The first replica writes.
  template <class T, class F> void with_state(T& model, F&& f) {
    if (groups_->replicas.rank() == 0) within_.with_state(model, f);
  }
  template <class T>
  void save_parts(T& model, std::string const& path, CheckpointHead const& head, int keep, bool later = false) {
    if (groups_->replicas.rank() == 0) within_.save_parts(model, path, head, keep, later);
  }
  bool parts_ended() { return groups_->replicas.rank() != 0 || within_.parts_ended(); }
  void end_parts() { within_.end_parts(); }
  template <class T, class F> auto once(T& model, F&& f) { return within_.once(model, f); }
  template <class T> void make_whole(T& model) { within_.make_whole(model); }
  int most(int x) { return most_of(groups_->all, x); }
  void require_same(std::string const& what, std::uint64_t hash) { fauna::require_same(groups_->all, what, hash); }

 private:
  PieceShares shares() const { return {pieces_, groups_->replicas.size()}; }
  /// A piece of each.
  PieceShares of_replicas() const { return {groups_->replicas.size(), groups_->replicas.size()}; }
  Within own_pieces() const {
    if (pieces_ < groups_->replicas.size())
      fail("train", std::to_string(pieces_) + " pieces for " + std::to_string(groups_->replicas.size()) + " replicas",
           "at least one each");
    const int r = groups_->replicas.rank();
    return Within(groups_->shards, shares().from(r + 1) - shares().from(r), overlap_);
  }
  /// Of this rank's parts of the gradients.
  template <class T> void add_replicas(T& model) {
    const int me = groups_->shards.rank();
    model.reduce([&](auto* g, std::size_t) {
      for (Shard const& s : within_.shards()) {
        if (!s.trains) continue;
        const Cut cut{s.cut.size(me), 1, groups_->replicas.size(), s.cut.at(me)};
        reduce_scatter(groups_->replicas, of_replicas(), std::vector{g}, g, cut);
        all_gather(groups_->replicas, g, [&](int r) { return cut.at(r); });
      }
    });
  }

  ReplicaGroups<C>* groups_;
  bool asked_;  ///< for so many pieces
  overlap overlap_;
  int pieces_;
  Within within_;
};

/// The same for so many ranks. Throws on others.
template <int Replicas, int Shards, Communicator C, int Zero = 3> class hsdp : public HybridSharded<C, Zero> {
  static_assert(Replicas >= 1 && Shards >= 1, "fauna: hsdp wants a replica and a shard at least");

 public:
  explicit hsdp(ReplicaGroups<C>& groups, int pieces = 0, overlap how = overlap::off)
      : HybridSharded<C, Zero>(groups, pieces, how) {
    if (groups.replicas.size() != Replicas || groups.shards.size() != Shards)
      fail("ranks",
           std::to_string(groups.replicas.size()) + " replicas of " + std::to_string(groups.shards.size()) + " shards",
           std::to_string(Replicas) + " of " + std::to_string(Shards));
  }
};

}  // namespace fauna::inline v0
