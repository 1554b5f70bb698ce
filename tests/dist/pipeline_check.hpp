// What a model whose layers lie on several ranks is held to: the whole one's losses, gradients, weights and
// checkpoints.
#pragma once
#include <utility>

#include <doctest/doctest.h>

#include <fauna/dist/counting.hpp>
#include <fauna/dist/pipeline.hpp>

#include "../support/temporary.hpp"
#include "ranks.hpp"

namespace test::in_stages {

using namespace fauna;

constexpr int batch = 2, context = 5, batches = 5, rows = batch * context, vocab = 27;

template <class M> using Alone = Trained<M, Ref<double>>;
template <class M, int N, int I, class C = ThreadRank>
using On = Staged<typename pipeline<M, N>::template stage<I>, Ref<double>, C>;

/// f(rank, std::integral_constant<int, I>) on each of N ranks, I its stage.
template <int N, class F> void on_stages(F&& f) {
  on_ranks(N, [&](ThreadRank& rank) {
    [&]<int... I>(std::integer_sequence<int, I...>) {
      ((rank.rank() == I ? f(rank, std::integral_constant<int, I>{}) : void()), ...);
    }
    (std::make_integer_sequence<int, N>{});
  });
}
inline void require(bool holds, std::string const& what) {
  if (!holds) throw std::runtime_error(what);
}
inline void require_near(double found, double wanted, const char* what) {
  require(std::fabs(found - wanted) < 1e-12, std::string(what) + ": " + std::to_string(found - wanted));
}

/// The largest difference of a stage's tensors from the whole model's of those names.
template <class P, class W, class Of> double distance(P const& part, W const& whole, Of&& of) {
  double most = part.parameters().empty() ? 1 : 0;
  for (auto const& p : part.parameters()) {
    auto const& w = whole.parameter(p.name);
    REQUIRE(p.size() == w.size());
    for (std::size_t i = 0; i < p.size(); ++i)
      most = std::fmax(most, std::fabs(of(part, p).data()[i] - of(whole, w).data()[i]));
  }
  return most;
}
inline constexpr auto gradients = [](auto const& m, auto const& p) { return m.gradient(p); };
inline constexpr auto values = [](auto const& m, auto const& p) { return m.value(p); };

/// Batch i of an update, with a row that does not count.
inline BatchMemory drawn(int i) {
  BatchMemory text(batch, context);
  text.draw(both().train, Key{1, 2}, static_cast<std::uint64_t>(i));
  text.targets[3] = ignore_target;
  return text;
}
/// Gradients of `batches` batches, and their loss.
template <class T> double accumulate_all(T& model) {
  double loss = 0;
  for (int i = 0; i < batches; ++i) {
    BatchMemory text = drawn(i);
    loss += model.accumulate(text.batch(), 1.0 / batches, Key{3, static_cast<std::uint64_t>(i)}) / batches;
  }
  return loss;
}

/// `M` in N stages is the whole one, in double to 1e-12, in both schedules with the same bits.
template <class M, int N> void check(int accumulation = 3) {
  Alone<M> whole(seed{5}, 1);
  whole.prepare_training({.sequences = batch, .length = context});
  const double loss = accumulate_all(whole);
  BatchMemory text = drawn(0);
  std::vector<double> losses(rows);
  whole.losses(text.batch(), losses.data());
  const TrainOptions o = options(2, accumulation);
  Alone<M> trained(seed{5}, 1);
  Trainer<Alone<M>> plain(trained, both(), o);
  std::vector<double> norms, run_losses;
  for (int i = 0; i < 10; ++i) {
    const auto s = plain.step();
    norms.push_back(s.gradient_norm);
    run_losses.push_back(s.loss);
  }
  TemporaryFolder folder;
  plain.save(folder / "alone");

  on_stages<N>([&](ThreadRank& rank, auto stage) {
    using T = On<M, N, stage>;
    std::vector<double> seen[2];
    for (const auto how : {pipeline_schedule::gpipe, pipeline_schedule::one_by_one}) {
      T model(rank, seed{5}, 1);
      take_part(model, Alone<M>(seed{5}, 1), rank.rank());
      model.prepare_training({.sequences = batch, .length = context});
      accumulate_all(model);
      double sum = 0;
      for (const double part : all_gather(rank, model.run(how))) sum += part;
      require_near(sum, loss, "loss");
      require_near(distance(model, whole, gradients), 0, "gradients");
      auto& bits = seen[static_cast<int>(how)];
      for (auto const& p : model.parameters())
        bits.insert(bits.end(), gradients(model, p).data(), gradients(model, p).data() + p.size());
      std::vector<double> each(rows);
      model.losses(text.batch(), each.data());
      require_near(test::distance(each, losses), 0, "losses");
    }
    require(seen[0] == seen[1], "schedules differ");

    T model(rank, seed{5}, 1);
    take_part(model, Alone<M>(seed{5}, 1), rank.rank());
    using Ranks = Pipeline<ThreadRank>;
    Trainer<T, Ranks> run(model, both(), o, {}, Ranks(rank));
    for (std::size_t i = 0; i < norms.size(); ++i) {
      const auto s = run.step();
      require_near(s.gradient_norm, norms[i], "norm");
      require_near(s.loss, run_losses[i], "loss of a step");
    }
    require_near(distance(model, trained, values), 0, "weights");
    run.save(folder / "stages");
    barrier(rank);

    // Either file goes on in either way.
    T again(rank, seed{5}, 1);
    TrainOptions later = o;
    later.resume = folder / "alone";
    Trainer<T, Ranks> resumed(again, both(), later, {}, Ranks(rank));
    require(resumed.iteration() == 10 && again.steps() == 10, "where the run stood");
    require(distance(again, trained, values) == 0, "loaded weights");
    require(distance(again, trained, [](auto const& m, auto const& p) { return m.moment(p, 1); }) == 0, "moments");
  });
  Alone<M> from_stages(seed{5}, 1);
  TrainOptions later = o;
  later.resume = folder / "stages";
  Trainer<Alone<M>> resumed(from_stages, both(), later);
  CHECK(distance(from_stages, trained, values) < 1e-12);
  CHECK(distance(from_stages, trained, [](auto const& m, auto const& p) { return m.moment(p, 1); }) < 1e-12);
  CHECK(from_stages.steps() == 10);
}

}  // namespace test::in_stages
