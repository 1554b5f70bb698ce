// What a model whose layers lie on several ranks is held to: the whole one's losses, gradients, weights and
// checkpoints.
#pragma once
#include <map>
#include <string>
#include <utility>

#include <doctest/doctest.h>

#include <fauna/dist/counting.hpp>
#include <fauna/dist/pipeline.hpp>

#include "../support/temporary.hpp"
#include "ranks.hpp"

namespace test::in_stages {

using namespace fauna;

constexpr int batch = 2, context = 5, batches = 6, rows = batch * context, vocab = 27;

template <class M> using Alone = Trained<M, Ref<double>>;
template <class M, int N, int I, class C = ThreadRank, int Rounds = 1, stage_order Order = stage_order::loop>
using On = Staged<typename pipeline<M, N, Rounds, Order>::template part<I>, Ref<double>, C>;

/// f(rank, std::integral_constant<int, I>) on each of N ranks, I its number.
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

/// Ten updates of the whole model, and the gradients of one.
template <class M> struct Plain {
  explicit Plain(int accumulation) : options(test::options(2, accumulation)) {
    whole.prepare_training({.sequences = batch, .length = context});
    loss = accumulate_all(whole);
    for (auto const& s : whole.side_losses()) side[s.name] = s.value;
    losses.resize(rows);
    whole.losses(drawn(0).batch(), losses.data());
    Trainer<Alone<M>> run(trained, both(), options);
    for (int i = 0; i < 10; ++i) steps.push_back(run.step());
    run.save(folder / "alone");
  }
  TrainOptions options;
  Alone<M> whole{seed{5}, 1}, trained{seed{5}, 1};
  double loss = 0;
  std::map<std::string, double> side;  ///< of the last batch
  std::vector<double> losses;
  std::vector<typename Trainer<Alone<M>>::Step> steps;
  TemporaryFolder folder;
};

/// A rank's part is that of the whole model, in double to 1e-12: in each schedule, with the same bits but for a table
/// that the first and the last stage have together; the first two updates in each, all ten in the last one.
template <class T, class M, class C>
void follow(Plain<M>& plain, C& rank, std::vector<pipeline_schedule> const& schedules) {
  std::vector<std::vector<double>> seen;
  for (const auto how : schedules) {
    T model(rank, seed{5}, 1);
    take_part(model, Alone<M>(seed{5}, 1), rank.rank());
    model.prepare_training({.sequences = batch, .length = context});
    accumulate_all(model);
    double sum = 0;
    for (const double part : all_gather(rank, model.run(how))) sum += part;
    require_near(sum, plain.loss, "loss");
    require_near(distance(model, plain.whole, gradients), 0, "gradients");
    std::size_t sides = 0;
    for (const std::size_t n : all_gather(rank, model.side_losses().size())) sides += n;
    require(sides == plain.side.size(), std::to_string(sides) + " side losses");
    for (auto const& s : model.side_losses()) require_near(s.value, plain.side.at(s.name), s.name.c_str());
    auto& all = seen.emplace_back();
    for (auto const& p : model.parameters())
      all.insert(all.end(), gradients(model, p).data(), gradients(model, p).data() + p.size());
    std::vector<double> each(rows);
    BatchMemory text = drawn(0);
    model.losses(text.batch(), each.data());
    require_near(test::distance(each, plain.losses), 0, "losses");
  }
  using First = typename T::model::template Stage<0>;
  if (!First::tied || First::two_tables)
    for (auto const& other : seen) require(other == seen[0], "schedules differ");

  using Ranks = Pipeline<C>;
  for (const auto how : schedules) {
    T model(rank, seed{5}, 1);
    take_part(model, Alone<M>(seed{5}, 1), rank.rank());
    Trainer<T, Ranks> run(model, both(), plain.options, {}, Ranks(rank, how));
    const bool last = how == schedules.back();
    for (std::size_t i = 0; i < (last ? plain.steps.size() : 2); ++i) {
      const auto s = run.step();
      require_near(s.gradient_norm, plain.steps[i].gradient_norm, "norm");
      require_near(s.loss, plain.steps[i].loss, "loss of a step");
    }
    if (!last) continue;
    require_near(distance(model, plain.trained, values), 0, "weights");
    run.save(plain.folder / "stages");
  }
  barrier(rank);

  // Either file goes on in either way.
  T again(rank, seed{5}, 1);
  TrainOptions later = plain.options;
  later.resume = plain.folder / "alone";
  Trainer<T, Ranks> resumed(again, both(), later, {}, Ranks(rank, schedules.back()));
  require(resumed.iteration() == 10 && again.steps() == 10, "where the run stood");
  require(distance(again, plain.trained, values) == 0, "loaded weights");
  require(distance(again, plain.trained, [](auto const& m, auto const& p) { return m.moment(p, 1); }) == 0, "moments");
}

/// `M` on N ranks is the whole one.
template <class M, int N, int Rounds = 1, stage_order Order = stage_order::loop>
void check(std::vector<pipeline_schedule> const& schedules, int accumulation = 3) {
  Plain<M> plain(accumulation);
  on_stages<N>([&](ThreadRank& rank, auto stage) {
    using T = On<M, N, stage, ThreadRank, Rounds, Order>;
    follow<T>(plain, rank, schedules);
  });
  Alone<M> from_stages(seed{5}, 1);
  TrainOptions later = plain.options;
  later.resume = plain.folder / "stages";
  Trainer<Alone<M>> resumed(from_stages, both(), later);
  CHECK(distance(from_stages, plain.trained, values) < 1e-12);
  CHECK(distance(from_stages, plain.trained, [](auto const& m, auto const& p) { return m.moment(p, 1); }) < 1e-12);
  CHECK(from_stages.steps() == 10);
}

/// The schedules of one stage a rank.
inline const std::vector<pipeline_schedule> plain_schedules{pipeline_schedule::gpipe, pipeline_schedule::zb1p,
                                                            pipeline_schedule::one_by_one};

}  // namespace test::in_stages
