// Runs of training on many ranks, which are threads here, and all that they leave.
#pragma once
#include <cmath>
#include <vector>

#include <doctest/doctest.h>
#include <fauna/ops/ref.hpp>

#include <fauna/blocks/embedding.hpp>
#include <fauna/blocks/norm.hpp>
#include <fauna/compose/residual.hpp>
#include <fauna/compose/stack.hpp>
#include <fauna/dist/data_parallel.hpp>

#include "../support/runs.hpp"
#include "../support/thread_ranks.hpp"
#include "../support/toys.hpp"

namespace test {
using namespace fauna;

/// Side losses, a buffer whose hook reads what all ranks gathered, and tensors of one and two dimensions.
template <int W>
struct Layer : Residual<Seq<At<"norm", LayerNorm<W>>, At<"balance", Balance<W>>, At<"ffn", SquareLoss<W>>,
                            At<"proj", Linear<W, W>>>> {};
template <int V, int W> struct Toy : Lm<At<"wte", Embedding<V, W>>, At<"h", Stack<0, 2, Layer<W>>>, TiedHead<W, V>> {};
using Double = Trained<Toy<27, 12>, Ref<double>>;
/// More than a block of 4096 elements, dropout, and threads in the kernels.
using Single = Small;

inline TrainOptions options(int batch, int accumulation) {
  TrainOptions o = short_run();
  o.batch = batch;
  o.accumulation = accumulation;
  o.eval_interval = 0;
  o.context = 7;
  return o;
}

/// All that a run leaves, in numbers.
template <class S> struct Left {
  std::vector<double> losses, norms;
  SplitLosses estimate{};
  std::vector<S> values, moments;
};
template <class T> void add_values(T const& m, std::vector<typename T::scalar>& to) {
  for (auto const& p : m.parameters()) to.insert(to.end(), m.value(p).data(), m.value(p).data() + p.size());
}

/// `steps` updates on these ranks, some tensors frozen.
template <class T, class Ranks>
Left<typename T::scalar> left_by(Ranks ranks, TrainOptions const& o, int steps, const char* frozen = nullptr) {
  T model(seed{5}, 1);
  if (frozen != nullptr) model.freeze(frozen);
  Trainer<T, Ranks> run(model, both(), o, {}, std::move(ranks));
  Left<typename T::scalar> l;
  for (int i = 0; i < steps; ++i) {
    const auto s = run.step();
    l.losses.push_back(s.loss);
    l.norms.push_back(s.gradient_norm);
  }
  if constexpr (std::is_same_v<typename T::scalar, float>) l.estimate = run.evaluate();
  if constexpr (requires { run.ranks().make_whole(model); }) run.ranks().make_whole(model);
  add_values(model, l.values);
  run.ranks().with_state(model, [&] {
    if (run.ranks().writes())
      for (auto const& p : model.parameters())
        for (int which = 0; which < 2; ++which)
          l.moments.insert(l.moments.end(), model.moment(p, which).data(), model.moment(p, which).data() + p.size());
  });
  return l;
}
/// What n ranks leave, each of them; rank 0's moments.
template <class T, int Zero>
std::vector<Left<typename T::scalar>> left_on(int n, int pieces, TrainOptions const& o, int steps,
                                              const char* frozen = nullptr) {
  std::vector<Left<typename T::scalar>> all(static_cast<std::size_t>(n));
  on_ranks(n, [&](ThreadRank& rank) {
    all[static_cast<std::size_t>(rank.rank())] =
        left_by<T>(DataParallel<ThreadRank, Zero>(rank, pieces), o, steps, frozen);
  });
  return all;
}

template <class S> double distance(std::vector<S> const& a, std::vector<S> const& b) {
  REQUIRE(a.size() == b.size());
  double most = 0;
  for (std::size_t i = 0; i < a.size(); ++i)
    most = std::fmax(most, std::fabs(static_cast<double>(a[i]) - static_cast<double>(b[i])));
  return most;
}

/// Are values and moments, but for the moments of ranks that do not write, those?
template <class S> void require_equal(std::vector<Left<S>> const& all, Left<S> const& one) {
  for (std::size_t r = 0; r < all.size(); ++r) {
    CAPTURE(r);
    CHECK(all[r].losses == one.losses);
    CHECK(all[r].norms == one.norms);
    CHECK(all[r].estimate.train == one.estimate.train);
    CHECK(all[r].estimate.val == one.estimate.val);
    CHECK(all[r].values == one.values);
    if (r == 0) CHECK(all[r].moments == one.moments);
  }
}

}  // namespace test
