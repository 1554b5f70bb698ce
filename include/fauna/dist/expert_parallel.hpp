// Training a model in expert parallel (blocks/expert_parallel.hpp): each rank has ExpertShare<M, B, C>, and of every
// batch some sequences, which all run at once. The experts of a rank see the rows of all, so their gradients are whole;
// those of the rest are added. Several copies of the experts add theirs, too.
#pragma once
#include <cstdint>
#include <string>

#include <fauna/blocks/expert_parallel.hpp>
#include <fauna/dist/shards.hpp>
#include <fauna/dist/tensor_parallel.hpp>

namespace fauna::inline v0 {

/// A rank's model, with experts of its own. M is expert_parallel<...>. All ranks run their rows at once, in training as
/// in evaluation.
template <class M, Backend B, Communicator C> class ExpertShare : public Trained<M, B> {
  static_assert(!memory<B>::remote, "fauna: ranks exchange rows in the host's memory");
  static constexpr int n = rewriting_for_ranks<M>::ranks;

 public:
  using Base = Trained<M, B>;
  using typename Base::scalar;

  /// The ranks deal out one model. Throws unless they are as many as the model is for.
  explicit ExpertShare(C& ranks, seed s = {}, int threads = B{}.threads) : ExpertShare(ranks, ranks, s, threads) {}
  /// Those along the mesh's ep do, and all share the batches.
  explicit ExpertShare(MeshGroups<C>& mesh, seed s = {}, int threads = B{}.threads)
      : ExpertShare(mesh.ep, mesh.all, s, threads) {}
  ExpertShare(ExpertShare const&) = delete;
  ExpertShare& operator=(ExpertShare const&) = delete;

 private:
  ExpertShare(C& experts, C& all, seed s, int threads)
      : Base(s, threads, experts.rank()), all_(group_of<scalar>(all)), experts_(group_of<scalar>(experts)) {
    if (experts.size() != n)
      fail("expert parallel", std::to_string(experts.size()) + " ranks", std::to_string(n),
           "as many as the model's type says");
    experts_.batch = &all_;
    this->join(&experts_);
  }

  Group<scalar> all_, experts_;
};

/// The ranks of a run (train/one_rank.hpp) whose model is in expert parallel. Each has a part of every batch, so that
/// all are in a mixture at once; an update has at least a sequence of each batch for each rank.
template <Communicator C> class ExpertParallel {
 public:
  explicit ExpertParallel(C& ranks) : all_(&ranks), experts_(&ranks) {}
  explicit ExpertParallel(MeshGroups<C>& mesh) : all_(&mesh.all), experts_(&mesh.ep), copies_(&mesh.dp) {
    require_only(mesh.mesh, &Mesh::ep, "expert parallel");
  }
  bool writes() const { return all_->rank() == 0; }
  static constexpr bool evaluates() { return true; }
  int pieces() const { return batches_ * all_->size(); }
  void divide(int batches) { batches_ = batches; }
  template <class T> void start(T&) {}
  template <class T, class F> double gradients(T& model, F&& pass) {
    double loss = 0, sum = 0;
    for (int b = 0; b < batches_; ++b) loss += pass(b * all_->size() + all_->rank());
    model.reduce([&](auto* g, std::size_t) {
      each_stretch(model, [&](bool alone, std::size_t from, std::size_t to) {
        C* const have_it = alone ? copies_ : all_;
        if (have_it == nullptr) return;
        const auto group = group_of<typename T::scalar>(*have_it);
        group.sum(group.user, g + from, to - from);
      });
    });
    for (const double part : all_gather(*all_, loss)) sum += part;
    return sum;
  }
  /// One norm: experts count on the ranks of one copy, what all have once.
  template <class T> UpdateReport update(T& model, AdamWOptions const& o) {
    const bool first_copy = copies_ == nullptr || copies_->rank() == 0;
    return model.update(o, norm_of_parts(model, *all_, sums_of_squares(model),
                                         [&](Parameter const& p) { return p.alone ? first_copy : all_->rank() == 0; }));
  }
  /// Every rank is there: f runs the model on all.
  template <class T, class F> auto once(T&, F&& f) { return f(); }
  /// One file with all tensors, written by rank 0, as a run of one rank would write it: write(path, model, head).
  template <class T, class Write>
  void save(std::string const& path, T& model, CheckpointHead const& head, Write&& write) {
    if (copies_ == nullptr || copies_->rank() == 0) save_whole(path, model, head, *experts_, experts_->size(), write);
  }
  /// Its part of a checkpoint of the whole model.
  template <class T> CheckpointHead load(std::string const& path, T& model, fauna::load what) {
    return load_part(path, model, what, experts_->rank());
  }
  int most(int x) { return most_of(*all_, x); }
  void require_same(std::string const& what, std::uint64_t hash) { fauna::require_same(*all_, what, hash); }

 private:
  /// f(one rank's alone, from, to) for the tensors that train and lie one after another, as elements of the gradients.
  template <class T, class F> static void each_stretch(T const& model, F&& f) {
    std::size_t from = 0, to = 0;
    bool alone = false;
    for (const std::size_t i : by_place(model)) {
      Parameter const& p = model.parameters()[i];
      if (!p.trainable) continue;
      if (to > from && p.alone != alone) {
        f(alone, from, to);
        from = p.place;
      } else if (to == from) {
        from = p.place;
      }
      alone = p.alone;
      to = p.place + p.size();
    }
    if (to > from) f(alone, from, to);
  }

  C *all_, *experts_, *copies_ = nullptr;
  int batches_ = 1;
};

}  // namespace fauna::inline v0
