// What a model whose sequences lie on several ranks is held to: one rank's losses, gradients and weights.
#pragma once
#include <doctest/doctest.h>

#include <fauna/dist/context_parallel.hpp>
#include <fauna/dist/counting.hpp>

#include "ranks.hpp"

namespace test::shared_rows {

using namespace fauna;

constexpr int batch = 3, context = 11, rows = batch * context;

template <class M> using Alone = Trained<M, Ref<double>>;

inline BatchMemory some_text() {
  BatchMemory text(batch, context);
  text.draw(test::both().train, Key{1, 2}, 0);
  for (const std::size_t row : {3U, 4U, 5U, 17U}) text.targets[row] = ignore_target;
  return text;
}

template <class A, class B, class Of> double distance(A const& a, B const& b, Of&& of) {
  double most = 0;
  for (auto const& p : b.parameters()) {
    auto const& q = a.parameter(p.name);
    REQUIRE(q.size() == p.size());
    for (std::size_t i = 0; i < p.size(); ++i)
      most = std::fmax(most, std::fabs(of(a, q).data()[i] - of(b, p).data()[i]));
  }
  return most;
}
inline void require_small(double found, const char* what) {
  if (!(found < 1e-12)) throw std::runtime_error(std::string(what) + ": " + std::to_string(found));
}

/// Ranks that share the sequences of `Shared`, which is M in context parallel, leave what one rank does: in double to
/// 1e-12; on several copies of them, with batches of their own, updates do.
template <class M, class Shared, int Zero = 0> void check(int copies = 1, int accumulation = 2) {
  constexpr int n = Shared::rewriting::ranks;
  BatchMemory text = some_text();
  Alone<M> whole(seed{5}, 1);
  whole.prepare_training({.sequences = batch, .length = context});
  const double loss = whole.accumulate(text.batch(), 0.5);
  std::vector<double> losses(rows);
  whole.losses(text.batch(), losses.data());
  TrainOptions o = options(4, accumulation);
  o.context = context;
  Alone<M> trained(seed{5}, 1);
  Trainer<Alone<M>> plain(trained, test::both(), o);
  std::vector<double> norms;
  for (int i = 0; i < 10; ++i) norms.push_back(plain.step().gradient_norm);

  test::on_ranks(copies * n, [&](ThreadRank& all_ranks) {
    MeshGroups<ThreadRank> mesh(all_ranks, replicated({.cp = n}, all_ranks.size()));
    ThreadRank& rank = mesh.cp;
    using Ranks = ContextParallel<ThreadRank, Zero>;
    using Part = ContextShare<Shared, Ref<double>, ThreadRank>;
    if (Zero == 0 && copies == 1) {
      Part model(rank, seed{5}, 1);
      model.prepare_training({.sequences = batch, .length = context});
      Ranks all(rank);
      all.start(model);
      const double found = all.gradients(model, [&](int) { return model.accumulate(text.batch(), 0.5); });
      require_small(std::fabs(found - loss), "loss");
      require_small(distance(model, whole, [](auto const& m, auto const& p) { return m.gradient(p); }), "gradients");
      std::vector<double> each(rows);
      model.losses(text.batch(), each.data());
      require_small(test::distance(each, losses), "losses");
    }
    Part run_model(rank, seed{5}, 1);
    Trainer<Part, Ranks> run(run_model, test::both(), o, {}, Ranks(mesh));
    for (const double norm : norms) require_small(std::fabs(run.step().gradient_norm - norm), "norm");
    run.ranks().make_whole(run_model);
    require_small(distance(run_model, trained, [](auto const& m, auto const& p) { return m.value(p); }), "weights");
  });
}

/// Bytes that each of n ranks sends in a forward and a backward pass of `Shared`.
template <class Shared> std::vector<std::size_t> bytes_of_a_pass() {
  constexpr int n = Shared::rewriting::ranks;
  std::vector<std::size_t> bytes(n);
  BatchMemory text = some_text();
  test::on_ranks(n, [&](ThreadRank& rank) {
    Counting counting(rank);
    ContextShare<Shared, Ref<double>, Counting<ThreadRank>> model(counting, seed{5}, 1);
    model.prepare_training({.sequences = batch, .length = context});
    model.accumulate(text.batch());
    bytes[static_cast<std::size_t>(rank.rank())] = counting.bytes();
  });
  return bytes;
}

}  // namespace test::shared_rows
