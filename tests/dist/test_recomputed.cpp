// What ranks have of a model leaves the same gradients where some of it runs again in the backward pass, the sums over
// ranks included, and keeps less for that.
#include <doctest/doctest.h>

#include <fauna/blocks/selectively_recomputed.hpp>
#include <fauna/compose/recomputed.hpp>
#include <fauna/dist/context_parallel.hpp>

#include "sequence_parallel_check.hpp"

namespace test_dist_recomputed {

using namespace fauna;
using namespace test::in_rows;

namespace {

/// Loss and gradients of a rank's model of seed 5.
template <class T> std::vector<double> pass(T& model) {
  model.prepare_training({.sequences = batch, .length = context});
  BatchMemory text = some_text();
  std::vector<double> all{model.accumulate(text.batch())};
  for (auto const& p : model.parameters()) {
    auto const g = model.gradient(p);
    all.insert(all.end(), g.data(), g.data() + p.size());
  }
  return all;
}
/// As Plain, in training, and each rewrite of it.
template <class Plain, template <class> class Share> void check(const char* layout) {
  CAPTURE(layout);
  test::on_ranks(2, [&](ThreadRank& rank) {
    const auto of = [&]<class M>(std::type_identity<M>) {
      Share<M> share(rank);
      return std::pair(pass(share.model), share.model.planned().saved);
    };
    const auto plain = of(std::type_identity<Plain>{});
    for (auto const& again :
         {of(std::type_identity<recomputed<Plain>>{}), of(std::type_identity<selectively_recomputed<Plain>>{})}) {
      if (again.first != plain.first) throw std::runtime_error("other gradients");
      if (!(again.second < plain.second)) throw std::runtime_error("no less is kept");
    }
  });
}

template <class M> struct Tensors {
  explicit Tensors(ThreadRank& rank) : joined(model, rank) {}
  Trained<M, Ref<double>> model{seed{5}, 1};
  Joined<Trained<M, Ref<double>>> joined;
};
template <class M> struct Rows {
  explicit Rows(ThreadRank& rank) : joined(model, rank) {}
  SequenceShare<M, Ref<double>> model{seed{5}, 1};
  Joined<SequenceShare<M, Ref<double>>> joined;
};
template <class M> struct Positions {
  explicit Positions(ThreadRank& rank) : model(rank, seed{5}, 1) {}
  ContextShare<M, Ref<double>, ThreadRank> model;
};

}  // namespace

TEST_CASE("a rank's part that runs some of it again in backward has the same gradients and keeps less") {
  static_assert(std::is_same_v<whole_model<selectively_recomputed<tensor_parallel<SmallGpt, 2>>>, SmallGpt>);
  check<tensor_parallel<SmallGpt, 2>, Tensors>("tensor");
  check<sequence_parallel<SmallGpt, 2>, Rows>("sequence");
  check<context_parallel<SmallGpt, 2>, Positions>("context");
}

}  // namespace test_dist_recomputed
