// Training a model in tensor parallel (blocks/tensor_parallel.hpp): each rank has Trained<tensor_parallel<M, N>, B> and
// all run the same batches. A sum of V bytes sends 2 (n - 1) / n · V a rank; all get the same bits, so that what all
// ranks have stays the same on all.
#pragma once
#include <cstdint>
#include <string>
#include <vector>

#include <fauna/dist/collectives.hpp>
#include <fauna/dist/mesh.hpp>
#include <fauna/dist/sharded_gradients.hpp>
#include <fauna/dist/whole.hpp>
#include <fauna/train/one_rank.hpp>
#include <fauna/train/trained.hpp>

namespace fauna::inline v0 {

/// A communicator, as blocks know it.
template <class S, Communicator C> Group<S> group_of(C& ranks) {
  Group<S> g;
  g.rank = ranks.rank();
  g.size = ranks.size();
  g.user = &ranks;
  g.sum = [](void* user, S* x, std::size_t n) {
    C& c = *static_cast<C*>(user);
    const Cut cut{n, 1, c.size()};
    reduce_scatter(c, PieceShares{c.size(), c.size()}, std::vector<S*>{x}, x, cut);
    all_gather(c, x, [&cut](int r) { return cut.at(r); });
  };
  g.most = [](void* user, S* x, std::size_t n) {
    C& c = *static_cast<C*>(user);
    const auto own = static_cast<std::size_t>(c.rank());
    std::vector<S> all(n * static_cast<std::size_t>(c.size()));
    for (std::size_t i = 0; i < n; ++i) all[own * n + i] = x[i];
    all_gather(c, all.data(), [n](int r) { return static_cast<std::size_t>(r) * n; });
    for (std::size_t i = 0; i < all.size(); ++i)
      if (x[i % n] < all[i]) x[i % n] = all[i];
  };
  g.move = [](void* user, const Outgoing* to, const Incoming* from) { static_cast<C*>(user)->exchange(to, from); };
  return g;
}

/// While it lives these ranks run the model together.
template <class T> class Joined {
 public:
  template <Communicator C> Joined(T& model, C& ranks) : model_(model), group_(group_of<typename T::scalar>(ranks)) {
    model_.join(&group_);
  }
  Joined(Joined const&) = delete;
  Joined& operator=(Joined const&) = delete;
  ~Joined() { model_.join(nullptr); }

 private:
  T& model_;
  Group<typename T::scalar> group_;
};

/// The norm of a model's gradients that ranks have in parts, and what is wrong with them; the same on all ranks.
/// `squares`: of each tensor, what this rank has of it. counts(p): does this rank count that tensor? What several have
/// alike one of them does.
template <class T, Communicator C, class F>
UpdateReport norm_of_parts(T const& model, C& ranks, std::vector<double> squares, F&& counts) {
  for (std::size_t i = 0; i < squares.size(); ++i)
    if (!counts(model.parameters()[i])) squares[i] = 0;
  const Group<double> all = group_of<double>(ranks);
  all.sum(all.user, squares.data(), squares.size());
  return norm_of_sums(model, squares);
}

/// The ranks of a run (train/one_rank.hpp) whose model is in tensor parallel. Replicas: who adds the gradients of
/// several such models, each with its own pieces; DataParallel<C> on the ranks of a mesh, in any of ZeRO's stages,
/// which share each part among its replicas.
template <Communicator C, class Replicas = OneRank> class TensorParallel {
 public:
  explicit TensorParallel(C& ranks) : c_(&ranks), all_(&ranks) {}
  /// how: do replicas exchange while they compute?
  explicit TensorParallel(MeshGroups<C>& mesh, overlap how = overlap::off)
      : c_(&mesh.tp), all_(&mesh.all), saves_(mesh.dp.rank() == 0), replicas_(mesh.dp, 0, how) {
    require_only(mesh.mesh, &Mesh::tp, "tensor parallel");
  }
  bool writes() const { return all_->rank() == 0; }
  static constexpr bool evaluates() { return true; }
  static constexpr bool by_layer = zero_stage<Replicas> >= 2;
  int pieces() const { return replicas_.pieces(); }
  void divide(int batches) { replicas_.divide(batches); }
  template <class T> void start(T& model) { replicas_.start(model); }
  template <class T> void last_batch(T& model) {
    if constexpr (requires { replicas_.last_batch(model); }) replicas_.last_batch(model);
  }
  template <class T, class F> double gradients(T& model, F&& pass) {
    const Joined joined(model, *c_);
    return replicas_.gradients(model, pass);
  }
  /// One norm: what is in parts counts on each rank, what all have once.
  template <class T> UpdateReport update(T& model, AdamWOptions const& o) {
    return update_by(replicas_, model, o,
                     norm_of_parts(model, *c_, squares_by(replicas_, model),
                                   [this](Parameter const& p) { return p.split.ways > 1 || c_->rank() == 0; }));
  }
  template <class T, class F> auto once(T& model, F&& f) {
    const Joined joined(model, *c_);
    if constexpr (zero_stage<Replicas> == 3) return replicas_.once(model, f);
    else return f();
  }
  /// One file with all tensors whole, written by rank 0, as a run of one rank would write it: write(path, model, head).
  template <class T, class Write>
  void save(std::string const& path, T& model, CheckpointHead const& head, Write&& write) {
    replicas_.with_state(model, [&] {
      if (saves_) save_whole(path, model, head, *c_, c_->size(), write);
    });
  }
  /// Its part of what a run of the whole model begins with.
  template <class T> void draw(T& model) { draw_part(model, c_->rank()); }
  /// Its part of a checkpoint of the whole model.
  template <class T> CheckpointHead load(std::string const& path, T& model, fauna::load what) {
    return load_part(path, model, what, c_->rank());
  }
  /// As DataParallel's.
  template <class T> void make_whole(T& model) requires(zero_stage<Replicas> > 0) { replicas_.make_whole(model); }
  int most(int x) { return most_of(*all_, x); }
  void require_same(std::string const& what, std::uint64_t hash) { fauna::require_same(*all_, what, hash); }

 private:
  C *c_, *all_;
  bool saves_ = true;  ///< one of the replicas does

 protected:
  Replicas replicas_;
};

}  // namespace fauna::inline v0
