// Training a model in tensor parallel (blocks/tensor_parallel.hpp): each rank has Trained<tensor_parallel<M, N>, B> and
// all run the same batches. A sum of V bytes sends 2 (n - 1) / n · V a rank; all get the same bits, so that what all
// ranks have stays the same on all.
#pragma once
#include <cmath>
#include <vector>

#include <fauna/dist/collectives.hpp>
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
  return g;
}

/// f(i, j) for each element j of a rank's tensor, which is element i of the whole one; not for rows of the table that
/// no token has.
template <class F> void each_of_part(Parameter const& part, Parameter const& whole, int rank, F&& f) {
  for (int r = 0; r < part.rows; ++r)
    for (int c = 0; c < part.cols; ++c) {
      const bool split = part.split.ways > 1;
      const int row = split && !part.split.columns ? part.split.whole(r, part.rows, rank) : r,
                col = split && part.split.columns ? part.split.whole(c, part.cols, rank) : c;
      if (row < whole.rows)
        f(static_cast<std::size_t>(row) * static_cast<std::size_t>(whole.cols) + static_cast<std::size_t>(col),
          static_cast<std::size_t>(r) * static_cast<std::size_t>(part.cols) + static_cast<std::size_t>(c));
    }
}

/// Gives a rank's model its part of a whole one's values.
template <class Part, class Whole> void take_part(Part& part, Whole const& whole, int rank) {
  for (Parameter const& p : part.parameters()) {
    Parameter const& w = whole.parameter(p.name);
    auto const to = part.value(p);
    auto const from = whole.value(w);
    for (std::size_t i = 0; i < p.size(); ++i) to.data()[i] = 0;
    each_of_part(p, w, rank, [&](std::size_t i, std::size_t j) { to.data()[j] = from.data()[i]; });
  }
}

/// The ranks of a run (train/one_rank.hpp) whose model is in tensor parallel.
template <Communicator C> class TensorParallel {
 public:
  explicit TensorParallel(C& ranks) : c_(&ranks) {}
  bool writes() const { return c_->rank() == 0; }
  static constexpr bool evaluates() { return true; }
  static constexpr int pieces() { return 1; }
  void divide(int) {}
  template <class T> void start(T&) {}
  template <class T, class F> double gradients(T& model, F&& pass) {
    const Joined<T> joined(model, *c_);
    return pass(0);
  }
  /// One norm: what is in parts counts on each rank, what all have once.
  template <class T> UpdateReport update(T& model, AdamWOptions const& o) {
    using S = typename T::scalar;
    static_assert(!memory<typename T::backend>::remote, "fauna: ranks exchange tensors in the host's memory");
    std::vector<double> squares(model.parameters().size());
    for (std::size_t i = 0; i < squares.size(); ++i) {
      Parameter const& p = model.parameters()[i];
      if (!p.trainable || p.is != role::parameter || (p.split.ways == 1 && !writes())) continue;
      const S* g = model.gradient(p).data();
      for (std::size_t k = 0; k < p.size(); ++k) squares[i] += static_cast<double>(g[k]) * static_cast<double>(g[k]);
    }
    const Group<double> all = group_of<double>(*c_);
    all.sum(all.user, squares.data(), squares.size());
    UpdateReport r;
    double total = 0;
    for (std::size_t i = 0; i < squares.size(); ++i) {
      Parameter const& p = model.parameters()[i];
      if (!p.trainable || p.is != role::parameter) continue;
      total += squares[i];
      if (squares[i] == 0 && r.without_gradient < 0) r.without_gradient = static_cast<int>(i);
      if (!std::isfinite(squares[i]) && r.not_finite < 0) r.not_finite = static_cast<int>(i);
    }
    r.gradient_norm = std::sqrt(total);
    return model.update(o, r);
  }
  template <class T, class F> void with_state(T&, F&&) {
    fail("train", "a checkpoint of a model in tensor parallel", "none yet");
  }
  template <class T, class F> auto once(T& model, F&& f) {
    const Joined<T> joined(model, *c_);
    return f();
  }
  int most(int x) {
    for (const int other : all_gather(*c_, x))
      if (other > x) x = other;
    return x;
  }

 private:
  template <class T> struct Joined {
    Joined(T& m, C& ranks) : model(m), group(group_of<typename T::scalar>(ranks)) { model.join(&group); }
    Joined(Joined const&) = delete;
    Joined& operator=(Joined const&) = delete;
    ~Joined() { model.join(nullptr); }
    T& model;
    Group<typename T::scalar> group;
  };
  C* c_;
};

}  // namespace fauna::inline v0
