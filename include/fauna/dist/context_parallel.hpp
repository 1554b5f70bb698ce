// Training a model in context parallel (blocks/context_parallel.hpp): each rank has ContextShare<M, B, C> and all run
// the same batches, each its share of every sequence's positions; of several copies, each has batches of its own.
// Gradients, and all else that is in parts, are data parallel's over all ranks, with a share where that has a piece.
#pragma once
#include <string>
#include <utility>
#include <vector>

#include <fauna/blocks/context_parallel.hpp>
#include <fauna/dist/data_parallel.hpp>
#include <fauna/dist/tensor_parallel.hpp>

namespace fauna::inline v0 {

/// A whole model's memory on one rank of those that share its sequences. M is context_parallel<...>.
template <class M, Backend B, Communicator C> class ContextShare : public Trained<M, B> {
  static_assert(!memory<B>::remote, "fauna: ranks exchange rows in the host's memory");
  using How = rewriting_for_ranks<M>;

 public:
  using Base = Trained<M, B>;
  using typename Base::scalar;

  /// Throws unless there are as many ranks as the model is for.
  explicit ContextShare(C& ranks, seed s = {}, int threads = B{}.threads) : Base(s, threads), c_(&ranks) {
    if (ranks.size() != How::ranks)
      fail("context parallel", std::to_string(ranks.size()) + " ranks", std::to_string(How::ranks),
           "as many as the model's type says");
  }

  /// For batches of this shape on all ranks together.
  void prepare_training(Shape shape) { Base::prepare_training(own(shape)); }
  void prepare_inference(Shape shape) { Base::prepare_inference(own(shape)); }

  /// Forward and backward of this rank's share of a batch. Returns its part of the mean loss; gradients are its part of
  /// those of `weight` times the mean.
  double accumulate(Batch const& batch, double weight = 1, Key key = {}, Tap<scalar> const* tap = nullptr) {
    int counted = 0;
    for (int r = 0; r < batch.rows; ++r) counted += batch.targets[r] != ignore_target;
    const Batch own = cut(batch);
    int here = 0;
    for (int r = 0; r < own.rows; ++r) here += own.targets[r] != ignore_target;
    const double part = counted > 0 ? static_cast<double>(here) / counted : 0.0;
    return part * in_group([&] { return Base::accumulate(own, weight * part, key, tap); });
  }

  /// Evaluation: losses [rows] in nats of the whole batch, 0 for rows without a target. All ranks get them.
  void losses(Batch const& batch, scalar* losses) {
    const Batch own = cut(batch);
    const PositionShares all = shares(batch.length);
    std::vector<scalar> each(static_cast<std::size_t>(batch.rows));
    const auto from = [&](int rank) {
      std::size_t n = 0;
      for (int r = 0; r < rank; ++r) n += static_cast<std::size_t>(all.rows(r) * batch.sequences);
      return n;
    };
    in_group([&] { return Base::losses(own, each.data() + from(c_->rank())), 0; });
    all_gather(*c_, each.data(), from);
    for (int r = 0; r < How::ranks; ++r)
      each_row(batch, r, [&](int row, int at) { losses[at] = each[from(r) + static_cast<std::size_t>(row)]; });
  }

 private:
  static PositionShares shares(int length) { return {How::split, How::ranks, length}; }
  Shape own(Shape shape) const {
    const PositionShares all = shares(shape.length);
    all.require_rows();
    shape.length = all.rows(c_->rank());
    return shape;
  }
  /// f(row of the rank's share, row of the batch) for all of its rows.
  template <class F> static void each_row(Batch const& batch, int rank, F&& f) {
    const PositionShares all = shares(batch.length);
    int row = 0;
    for (int s = 0; s < batch.sequences; ++s)
      for (int i = 0; i < all.pieces(); ++i)
        for (int k = 0; k < all.piece(rank, i).rows; ++k) f(row++, batch.first(s) + all.piece(rank, i).first + k);
  }
  /// This rank's rows, which have their memory here.
  Batch cut(Batch const& b) {
    if (b.offsets != nullptr || b.positions != nullptr || b.past != nullptr || b.document_start != nullptr ||
        b.parent != nullptr)
      fail("context parallel", "a batch of texts of several lengths or packed documents", "sequences of one length");
    const PositionShares all = shares(b.length);
    all.require_rows();
    tokens_.clear();
    targets_.clear();
    positions_.clear();
    each_row(b, c_->rank(), [&](int, int at) {
      tokens_.push_back(b.tokens[at]);
      targets_.push_back(b.targets[at]);
      positions_.push_back(at % b.length);
    });
    Batch own = Batch::uniform(b.sequences, all.rows(c_->rank()), tokens_.data(), targets_.data());
    own.positions = positions_.data();
    own.whole = b.length;
    return own;
  }
  template <class F> auto in_group(F&& f) {
    const auto group = group_of<scalar>(*c_);
    struct Leave {
      ContextShare& model;
      ~Leave() { model.join(nullptr); }
    } const leave{*this};
    this->join(&group);
    return f();
  }

  C* c_;
  std::vector<int> tokens_, targets_, positions_;
};

/// The ranks of a run (train/one_rank.hpp) whose model is in context parallel, in one of ZeRO's stages: parts of
/// weights, gradients and moments as in data parallel, of all copies' ranks together.
template <Communicator C, int Zero = 0> class ContextParallel {
 public:
  explicit ContextParallel(C& ranks, overlap how = overlap::off) : ContextParallel(ranks, ranks.size(), how) {}
  /// Those along the mesh's cp share sequences.
  explicit ContextParallel(MeshGroups<C>& mesh, overlap how = overlap::off)
      : ContextParallel(mesh.all, mesh.mesh.cp, how) {
    require_only(mesh.mesh, &Mesh::cp, "context parallel");
  }
  bool writes() const { return all_.writes(); }
  static constexpr bool evaluates() { return true; }
  static constexpr bool by_layer = Zero >= 2;
  /// One a copy; in the stages whose passes are one accumulate, the fewest that are of a batch each.
  int pieces() const { return all_.pieces() / shares_; }
  void divide(int batches) {
    const int copies = all_.ranks().size() / shares_;
    const int pieces = Zero >= 2 ? batches * ((copies + batches - 1) / batches) : copies;
    all_ = DataParallel<C, Zero>(all_.ranks(), pieces * shares_, overlap_);
  }
  template <class T> void start(T& model) { all_.start(model); }
  template <class T> void last_batch(T& model) { all_.last_batch(model); }
  template <class T, class F> double gradients(T& model, F&& pass) {
    return all_.gradients(model, [&](int piece) { return pass(piece / shares_); });
  }
  template <class T> UpdateReport update(T& model, AdamWOptions const& o) { return all_.update(model, o); }
  template <class T, class F> void with_state(T& model, F&& f) { all_.with_state(model, f); }
  template <class T>
  void save_parts(T& model, std::string const& path, CheckpointHead const& head, int keep, bool later = false) {
    all_.save_parts(model, path, head, keep, later);
  }
  bool parts_ended() { return all_.parts_ended(); }
  void end_parts() { all_.end_parts(); }
  /// Every rank is there: f runs the model on all.
  template <class T, class F> auto once(T& model, F&& f) {
    if constexpr (Zero == 3) return all_.once(model, f);
    else return f();
  }
  template <class T> void make_whole(T& model) { all_.make_whole(model); }
  int most(int x) { return all_.most(x); }
  void require_same(std::string const& what, std::uint64_t hash) { all_.require_same(what, hash); }

 private:
  ContextParallel(C& all, int shares, overlap how) : all_(all, all.size()), shares_(shares), overlap_(how) {}

  DataParallel<C, Zero> all_;
  int shares_;  ///< of a sequence
  overlap overlap_;
};

}  // namespace fauna::inline v0
