// Training a model in sequence parallel (blocks/sequence_parallel.hpp): each rank has SequenceShare<M, B> and all run
// the same batches, each its share of the rows between the parts that are cut.
#pragma once
#include <vector>

#include <fauna/blocks/sequence_parallel.hpp>
#include <fauna/dist/tensor_parallel.hpp>

namespace fauna::inline v0 {

/// How N ranks share the rows of a batch: sequence after sequence, in N stretches. N divides the length of sequences.
template <int N> struct RowShares {
  static Shape own(Shape shape) {
    if (shape.length % N != 0)
      fail("sequence parallel", "sequences of " + std::to_string(shape.length) + " rows",
           "a multiple of the " + std::to_string(N) + " ranks");
    shape.length /= N;
    return shape;
  }
  /// A rank's rows of b; their positions have their memory in `positions`.
  static Batch own(Batch const& b, int rank, std::vector<int>& positions) {
    if (b.offsets != nullptr || b.positions != nullptr || b.past != nullptr || b.document_start != nullptr ||
        b.parent != nullptr)
      fail("sequence parallel", "a batch of texts of several lengths or packed documents", "sequences of one length");
    const Shape shape = own(Shape{.sequences = b.sequences, .length = b.length});
    const int first = rank * shape.rows();
    positions.clear();
    for (int r = 0; r < shape.rows(); ++r) positions.push_back((first + r) % b.length);
    Batch share = Batch::uniform(b.sequences, shape.length, b.tokens + first, b.targets + first);
    share.positions = positions.data();
    return share;
  }
  /// Of the rows of `all` that have a target, the part that is here.
  static double of_targets(Batch const& all, Batch const& own) {
    int counted = 0, here = 0;
    for (int r = 0; r < all.rows; ++r) counted += all.targets[r] != ignore_target;
    for (int r = 0; r < own.rows; ++r) here += own.targets[r] != ignore_target;
    return counted > 0 ? static_cast<double>(here) / counted : 0.0;
  }
  /// losses [N times rows], of which each rank has its own.
  template <class S> static void gather(Group<S> const& group, S* losses, int rows) {
    Parcels parcels(N);
    for (int r = 0; r < N; ++r) {
      if (r == group.rank) continue;
      parcels.send(r, losses + group.rank * rows, static_cast<std::size_t>(rows));
      parcels.receive(r, losses + r * rows, static_cast<std::size_t>(rows));
    }
    parcels.exchange(group);
  }
};

/// A rank's part of a model and its memory. M is sequence_parallel<...>.
template <class M, Backend B> class SequenceShare : public Trained<M, B> {
  static_assert(!memory<B>::remote, "fauna: ranks exchange rows in the host's memory");
  using Rows = RowShares<row_shares<M>()>;

 public:
  using Base = Trained<M, B>;
  using Base::Base;
  using typename Base::scalar;

  /// For batches of this shape on all ranks together.
  void prepare_training(Shape shape) { Base::prepare_training(Rows::own(shape)); }
  void prepare_inference(Shape shape) { Base::prepare_inference(Rows::own(shape)); }
  void join(Group<scalar> const* group) {
    if (group != nullptr) group_ = *group;
    Base::join(group != nullptr ? &group_ : nullptr);
  }

  /// Forward and backward of all ranks' batch. Returns the part of the mean loss that is of this rank's rows; gradients
  /// of what all ranks have are of those, too.
  double accumulate(Batch const& batch, double weight = 1, Key key = {}, Tap<scalar> const* tap = nullptr) {
    const Batch own = cut(batch);
    const double part = Rows::of_targets(batch, own);
    return part * Base::accumulate(own, weight * part, key, tap);
  }
  /// Evaluation: losses [rows] in nats of the whole batch, 0 for rows without a target. All ranks get them.
  void losses(Batch const& batch, scalar* losses) {
    const Batch own = cut(batch);
    Base::losses(own, losses + group_.rank * own.rows);
    Rows::gather(group_, losses, own.rows);
  }

 private:
  Batch cut(Batch const& b) {
    whole_ = b;
    group_.whole = &whole_;
    return Rows::own(b, group_.rank, positions_);
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
