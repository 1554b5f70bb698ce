// Training a model in sequence parallel (blocks/sequence_parallel.hpp): each rank has SequenceShare<M, B> and all run
// the same batches, each its share of the rows between the parts that are cut.
#pragma once
#include <vector>

#include <fauna/blocks/sequence_parallel.hpp>
#include <fauna/dist/tensor_parallel.hpp>

namespace fauna::inline v0 {

/// A rank's part of a model and its memory. M is sequence_parallel<...>. A batch's rows, sequence after sequence, are
/// dealt out in N stretches; N divides the length of sequences.
template <class M, Backend B> class SequenceShare : public Trained<M, B> {
  static_assert(!memory<B>::remote, "fauna: ranks exchange rows in the host's memory");
  static constexpr int ranks = rewriting_for_ranks<M>::ranks;

 public:
  using Base = Trained<M, B>;
  using Base::Base;
  using typename Base::scalar;

  /// For batches of this shape on all ranks together.
  void prepare_training(Shape shape) { Base::prepare_training(own(shape)); }
  void prepare_inference(Shape shape) { Base::prepare_inference(own(shape)); }
  void join(Group<scalar> const* group) {
    if (group != nullptr) group_ = *group;
    Base::join(group != nullptr ? &group_ : nullptr);
  }

  /// Forward and backward of all ranks' batch. Returns the part of the mean loss that is of this rank's rows; gradients
  /// of what all ranks have are of those, too.
  double accumulate(Batch const& batch, double weight = 1, Key key = {}, Tap<scalar> const* tap = nullptr) {
    const Batch own = cut(batch);
    const double part = share_of_targets(batch, own);
    return part * Base::accumulate(own, weight * part, key, tap);
  }
  /// Evaluation: losses [rows] in nats of the whole batch, 0 for rows without a target. All ranks get them.
  void losses(Batch const& batch, scalar* losses) {
    const Batch own = cut(batch);
    Base::losses(own, losses + group_.rank * own.rows);
    Parcels parcels(ranks);
    for (int r = 0; r < ranks; ++r) {
      if (r == group_.rank) continue;
      parcels.send(r, losses + group_.rank * own.rows, static_cast<std::size_t>(own.rows));
      parcels.receive(r, losses + r * own.rows, static_cast<std::size_t>(own.rows));
    }
    parcels.exchange(group_);
  }

 private:
  static Shape own(Shape shape) {
    if (shape.length % ranks != 0)
      fail("sequence parallel", "sequences of " + std::to_string(shape.length) + " rows",
           "a multiple of the " + std::to_string(ranks) + " ranks");
    shape.length /= ranks;
    return shape;
  }
  static double share_of_targets(Batch const& all, Batch const& own) {
    int counted = 0, here = 0;
    for (int r = 0; r < all.rows; ++r) counted += all.targets[r] != ignore_target;
    for (int r = 0; r < own.rows; ++r) here += own.targets[r] != ignore_target;
    return counted > 0 ? static_cast<double>(here) / counted : 0.0;
  }
  /// This rank's rows; their positions have their memory here.
  Batch cut(Batch const& b) {
    if (b.offsets != nullptr || b.positions != nullptr || b.past != nullptr || b.document_start != nullptr ||
        b.parent != nullptr)
      fail("sequence parallel", "a batch of texts of several lengths or packed documents", "sequences of one length");
    const Shape shape = own({.sequences = b.sequences, .length = b.length});
    const int first = group_.rank * shape.rows();
    positions_.clear();
    for (int r = 0; r < shape.rows(); ++r) positions_.push_back((first + r) % b.length);
    whole_ = b;
    group_.whole = &whole_;
    Batch share = Batch::uniform(b.sequences, shape.length, b.tokens + first, b.targets + first);
    share.positions = positions_.data();
    return share;
  }

  Group<scalar> group_;
  Batch whole_;
  std::vector<int> positions_;
};

/// Adds the ranks' gradients of tensors that all have, of which each is of its own rows; of what replicas keep of them.
template <class T, Communicator C, class Replicas = OneRank>
void add_shares(T& model, C& ranks, Replicas const& replicas = {}) {
  const auto group = group_of<typename T::scalar>(ranks);
  for (Parameter const& p : model.parameters()) {
    if (!p.trainable || p.split.ways > 1) continue;
    const ElementRange kept = kept_by(replicas, p);
    group.sum(group.user, model.gradient(p).data() + kept.from, kept.to - kept.from);
  }
}

/// The ranks of a run (train/one_rank.hpp) whose model is in sequence parallel; as TensorParallel otherwise.
template <Communicator C, class Replicas = OneRank> class SequenceParallel : public TensorParallel<C, Replicas> {
  using Base = TensorParallel<C, Replicas>;

 public:
  explicit SequenceParallel(C& ranks) : Base(ranks), c_(&ranks) {}
  explicit SequenceParallel(MeshGroups<C>& mesh, overlap how = overlap::off) : Base(mesh, how), c_(&mesh.tp) {}
  template <class T, class F> double gradients(T& model, F&& pass) {
    double loss = 0;
    for (const double part : all_gather(*c_, Base::gradients(model, pass))) loss += part;
    add_shares(model, *c_, this->replicas_);
    return loss;
  }

 private:
  C* c_;
};

}  // namespace fauna::inline v0
