// Data parallel training: every rank has the whole model and runs its part of a batch; gradients are added over ranks.
//   DataParallel<C>      every rank updates all of the model (DDP: Li et al. 2020, "PyTorch Distributed")
// ZeRO (Rajbhandari et al. 2020, section 5) has a rank update its part, and keep of all else no more than that:
//   DataParallel<C, 1>   of the optimizer's moments
//   DataParallel<C, 2>   and of gradients, which are added as soon as a layer's are there
//   DataParallel<C, 3>   and of values, which are gathered a layer before its forward and its backward pass, and freed
//                        after it (FSDP: Zhao et al. 2023)
// What is sent is in docs/distributed.md; beside it go 8 bytes a block of 4096 elements for the global norm, and 8 a
// piece or node for the loss.
//
// How gradients are added, and when they go: sharded_gradients.hpp.
#pragma once
#include <bit>
#include <string>
#include <utility>
#include <vector>

#include <fauna/backend/cpu.hpp>
#include <fauna/dist/checkpoint.hpp>
#include <fauna/dist/sharded_gradients.hpp>
#include <fauna/dist/solo.hpp>
#include <fauna/train/one_rank.hpp>

namespace fauna::inline v0 {

template <Communicator C, int Zero = 0> class DataParallel : public ShardedGradients<C, Zero> {
  using Base = ShardedGradients<C, Zero>;
  static_assert(Zero >= 0 && Zero <= 3, "fauna: ZeRO has stages 1 to 3, and 0 is plain data parallel");

 public:
  /// `pieces`: 0 for one a rank; in stages 2 and 3, for the fewest that are of one batch each and one a rank.
  explicit DataParallel(C& ranks, int pieces = 0, overlap how = overlap::off)
      : Base(ranks, pieces > 0 ? pieces : ranks.size(), how), asked_(pieces > 0) {}

  bool writes() const { return c_->rank() == 0; }
  bool evaluates() const { return Zero == 3 || writes(); }

  /// Is a pass of a model one accumulate, in which all ranks come to a layer together?
  static constexpr bool by_layer = Zero >= 2;
  static constexpr int stage = Zero;

  /// Of how many batches an update is. In stages 2 and 3 a piece is of one: what it adds up is sent after a pass.
  void divide(int batches) {
    if (Zero < 2) return;
    if (!asked_) pieces_ = batches * ((c_->size() + batches - 1) / batches);
    if (pieces_ % batches != 0)
      fail("train", std::to_string(pieces_) + " pieces of an update of " + std::to_string(batches) + " batches",
           "pieces of one batch each", "a multiple of the batches, or ZeRO's stage 1, which adds up any");
  }

  template <class T> void start(T& model) {
    static_assert(!memory<typename T::backend>::remote, "fauna: ranks exchange tensors in the host's memory");
    shards_ = shards_of(model, Zero >= 2 || this->overlaps(), c_->rank(), c_->size(), block);
    layers_.clear();
    for (Shard const& s : shards_) {  // what is frozen of them stands behind
      std::size_t i = 0;
      while (i < layers_.size() && layers_[i] < s.unit) ++i;
      if (s.unit != outside && (i == layers_.size() || layers_[i] != s.unit))
        layers_.insert(layers_.begin() + static_cast<std::ptrdiff_t>(i), s.unit);
    }
    if constexpr (Zero > 0) keep_own_moments(model);
    if constexpr (Zero > 1) model.in_small_pages();
    if constexpr (Zero == 3) this->release_all(model);
    plan_for(model);
  }

  /// One step with one norm over all ranks' gradients. Nothing is updated, on any rank, where one is not finite. A
  /// matrix that is Muon's comes whole to one rank, and goes back in parts.
  template <class T> UpdateReport update(T& model, AdamWOptions const& o) { return update(model, o, norm(model)); }
  /// With a norm that others count in, too.
  template <class T> UpdateReport update(T& model, AdamWOptions const& o, UpdateReport const& seen) {
    if (seen.not_finite >= 0) return seen;
    if constexpr (Zero == 0) return model.update(o, seen);
    for (Parameter const& p : model.parameters()) {  // buffers' hooks read all of their values and what they gathered
      if (p.is != role::buffer || !p.trainable) continue;
      Cut const& cut = shard_of(shards_, p).cut;
      const auto from = [&](int r) { return within_tensor(p, cut.at(r)); };
      model.reduce([&](auto* g, std::size_t) { all_gather(*c_, g, from); });
      if constexpr (Zero == 3)
        model.share(
            [&](auto* v, std::size_t) { all_gather(*c_, v + p.offset, [&](int r) { return from(r) - p.place; }); });
    }
    step_matrices(model, *c_, shards_, o, seen);
    model.update(o, seen, false);
    for (Shard const& s : shards_) {  // those of the others' parts; the update has cleared its own
      model.clear_gradients({s.cut.from, s.cut.from + s.cut.n});
      if (Zero < 3 && s.trains) this->gather(model, s);
    }
    if constexpr (Zero == 3) this->release_all(model);
    return seen;
  }

  /// The norm of all gradients, and what is wrong with them; the same bits on every rank and for every number of ranks.
  template <class T> UpdateReport norm(T& model) { return norm_of_sums(model, squares(model)); }
  /// Each tensor's sum of squares, of these ranks' gradients.
  template <class T> std::vector<double> squares(T& model) { return sums_of_squares(model, *c_, shards_); }

  template <class T, class F> void with_state(T& model, F&& f) {
    if constexpr (Zero > 0) {
      if (writes()) model.keep_moments({{0, shards_.back().cut.from + shards_.back().cut.n}});
      for (Shard const& s : shards_) {
        const std::size_t own = writes() ? s.cut.from : s.kept;  // where the shard, or the rank's part of it, begins
        for (int which = 0; which < 2; ++which) gather_at_writer(model.moments(which) + own, s.cut);
        if constexpr (Zero == 3)
          model.share([&](auto* v, std::size_t) {
            gather_at_writer(v + s.values + (writes() ? 0 : s.cut.at(c_->rank()) - s.cut.from), s.cut);
          });
      }
    }
    f();
    if constexpr (Zero > 0)
      if (writes()) keep_own_moments(model);
    if constexpr (Zero == 3) this->release_all(model);
  }
  /// A checkpoint in parts beside `path`, which becomes its manifest; `head` is the writing rank's. Of such checkpoints
  /// the last `keep` stay. Saved again at the same update, the parts are those that are there. `later`: from a copy,
  /// and beside what follows, until end_parts() or the next one.
  template <class T>
  void save_parts(T& model, std::string const& path, CheckpointHead const& head, int keep, bool later = false) {
    const std::size_t slash = path.rfind('/');
    const std::string out = slash == std::string::npos ? "." : path.substr(0, slash);
    if (head.progress.iteration != saved_ || out != saved_in_) {
      end_parts();
      int number = 0;
      while (writes() && exists(out + '/' + checkpoint::step_name(head.progress.iteration, number))) ++number;
      step_ = checkpoint::step_name(head.progress.iteration, most(number));
      part_.write(model, shards_, out + '/' + step_, c_->rank(), later);
      saved_ = head.progress.iteration;
      saved_in_ = out;
    }
    head_ = checkpoint::head_of(model, head);
    keep_ = keep;
    manifests_.push_back(path);
    if (!later) end_parts();
  }
  /// Would end_parts() wait for no rank? All ask together.
  bool parts_ended() { return !part_.waits() || most(part_.ended() ? 0 : 1) == 0; }
  /// Waits for what save_parts began, on all ranks, and writes its manifests.
  void end_parts() {
    const std::vector<std::string> paths = std::exchange(manifests_, {});
    if (part_.waits()) {
      const long long at = std::exchange(saved_, -1);  // nothing, where a rank could not write
      lines_ = part_.join(*c_, [this](int x) { return most(x); });
      if (writes()) checkpoint::write_manifest(saved_in_ + '/' + step_ + checkpoint::own_manifest, head_, lines_);
      saved_ = at;
    }
    if (paths.empty() || !writes()) return;
    for (std::string const& path : paths)
      checkpoint::write_manifest(path, head_, checkpoint::from_beside(lines_, step_));
    checkpoint::keep_parts(saved_in_, keep_, head_);
  }
  template <class T, class F> auto once(T& model, F&& f) {
    decltype(f()) value{};
    if constexpr (Zero == 3) {
      const typename Base::template Heard<T> heard{model};
      this->begin_pass(model);
      this->template listen_to_pass<false>(model);
      value = f();
      this->end_pass(model);
    } else if (writes()) {
      value = f();
    }
    broadcast(*c_, &value, 1, 0);
    return value;
  }
  /// Gives every rank all values again, to go on with the model and without these ranks.
  template <class T> void make_whole(T& model) {
    for (Shard const& s : shards_)
      if (Zero == 3) this->gather(model, s);
  }
  int most(int x) { return most_of(*c_, x); }
  /// Of all ranks' counts, such as the tokens that a loss is the mean over.
  long long total(long long count) {
    long long sum = 0;
    for (const long long each : all_gather(*c_, count)) sum += each;
    return sum;
  }
  /// Throws, on every rank, where a rank's text is not rank 0's; `what` says what it is.
  void require_same(std::string const& what, std::uint64_t hash) { fauna::require_same(*c_, what, hash); }

 private:
  using Base::block, Base::c_, Base::layers_, Base::pieces_, Base::shards_;

  template <class T> void keep_own_moments(T& model) {
    std::vector<ElementRange> own;
    for (Shard const& s : shards_) own.push_back({s.cut.at(c_->rank()), s.cut.at(c_->rank() + 1)});
    model.keep_moments(static_cast<std::vector<ElementRange>&&>(own));
  }
  template <class T> void plan_for(T& model) {
    constexpr std::size_t size = sizeof(typename T::scalar);
    MemoryPlan plan = model.planned();
    const ShardSizes all = sizes_of(shards_, c_->rank(), false), trained = sizes_of(shards_, c_->rank(), true);
    std::size_t levels = 0;  // of the tree, that wait from pass to pass: a node for each bit of the pieces before
    for (int p = c_->size(); p < pieces_; p += c_->size()) {
      const auto nodes = static_cast<std::size_t>(std::popcount(static_cast<unsigned>(p)));
      if (nodes > levels) levels = nodes;
    }
    if (Zero == 3) plan.weights = size * (all.own + all.beside);
    if (Zero >= 2) plan.gradients = size * ((levels + 1) * trained.own + trained.beside);
    if (Zero >= 1) plan.moments = size * 2 * trained.own;
    if (this->overlaps()) {  // a layer more, and what arrives
      if (Zero == 3) plan.weights += size * all.layer;
      if (Zero >= 2) plan.gradients += size * trained.layer;
      const PieceShares shares{pieces_, c_->size()};
      const std::size_t arrays =
          Zero >= 2 ? static_cast<std::size_t>(c_->size() - 1) : shares.all().size() - shares.nodes(c_->rank()).size();
      plan.gradients += in_flight_bytes(shards_, c_->rank(), arrays, size);
    }
    model.plan_parts(plan);
  }
  /// `own`: where this rank's part lies; on the writing rank, where the whole does.
  template <class S> void gather_at_writer(S* own, Cut const& cut) {
    Parcels parcels(c_->size());
    if (!writes()) parcels.send(0, own, cut.size(c_->rank()));
    else
      for (int r = 1; r < c_->size(); ++r) parcels.receive(r, own + (cut.at(r) - cut.from), cut.size(r));
    parcels.exchange(*c_);
  }
  bool asked_;            ///< for so many pieces
  long long saved_ = -1;  ///< in parts: the last one's update, folder, its name there, and its parts
  std::string saved_in_, step_, lines_;
  checkpoint::PartFile part_;           ///< this rank's
  CheckpointHead head_;                 ///< of the manifests
  std::vector<std::string> manifests_;  ///< that are to be written
  int keep_ = 0;
};

template <class C> using data_parallel = DataParallel<C>;
template <int Stage, class C> using zero = DataParallel<C, Stage>;

}  // namespace fauna::inline v0
