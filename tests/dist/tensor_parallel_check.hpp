// What a model whose tensors lie on several ranks is held to: the whole one's losses, gradients, logits and weights.
#pragma once
#include <doctest/doctest.h>

#include <fauna/blocks/tensor_parallel.hpp>
#include <fauna/dist/tensor_parallel.hpp>

#include "../support/temporary.hpp"
#include "ranks.hpp"

namespace test::in_parts {

using namespace fauna;

constexpr int batch = 3, context = 5, rows = batch * context;

template <class M> using Alone = Trained<M, Ref<double>>;
template <class M, int N> using Part = Trained<tensor_parallel<M, N>, Ref<double>>;

/// The largest difference of a rank's tensors from its part of the whole ones.
template <class P, class W, class Of> double distance(P const& part, W const& whole, int rank, Of&& of) {
  double most = 0;
  std::size_t seen = 0;
  for (auto const& p : part.parameters()) {
    auto const& w = whole.parameter(p.name);
    auto const a = of(part, p);
    auto const b = of(whole, w);
    each_of_part(p, w, rank, [&](std::size_t i, std::size_t j) {
      most = std::fmax(most, std::fabs(a.data()[j] - b.data()[i]));
      ++seen;
    });
  }
  return seen > 0 ? most : 1;
}

/// `M` on N ranks is the whole one, in double to 1e-12.
template <class M, int N> void check() {
  BatchMemory text(batch, context);
  text.draw(test::both().train, Key{1, 2}, 0);
  text.targets[3] = ignore_target;
  Alone<M> whole(seed{5}, 1);
  whole.prepare_training({.sequences = batch, .length = context});
  const double loss = whole.accumulate(text.batch());
  std::vector<double> logits(rows * 27), losses(rows);
  whole.logits(text.batch(), logit_rows::all, Matrix<double>(logits.data(), rows, 27));
  whole.losses(text.batch(), losses.data());
  const TrainOptions o = options(4, 2);
  Alone<M> trained(seed{5}, 1);
  Trainer<Alone<M>> plain(trained, test::both(), o);
  std::vector<double> norms;
  for (int i = 0; i < 10; ++i) norms.push_back(plain.step().gradient_norm);
  TemporaryFolder folder;
  plain.save(folder / "alone");

  test::on_ranks(N, [&](ThreadRank& rank) {
    const auto require = [&](double found, const char* what) {
      if (!(found < 1e-12)) throw std::runtime_error(std::string(what) + ": " + std::to_string(found));
    };
    Part<M, N> model(seed{5}, 1);
    take_part(model, Alone<M>(seed{5}, 1), rank.rank());
    model.prepare_training({.sequences = batch, .length = context});
    const auto group = group_of<double>(rank);
    model.join(&group);
    require(std::fabs(model.accumulate(text.batch()) - loss), "loss");
    require(distance(model, whole, rank.rank(), [](auto const& m, auto const& p) { return m.gradient(p); }),
            "gradients");
    std::vector<double> own(rows * 27), each(rows);
    model.logits(text.batch(), logit_rows::all, Matrix<double>(own.data(), rows, 27));
    model.losses(text.batch(), each.data());
    require(test::distance(own, logits), "logits");
    require(test::distance(each, losses), "losses");

    Part<M, N> run_model(seed{5}, 1);
    take_part(run_model, Alone<M>(seed{5}, 1), rank.rank());
    using Ranks = TensorParallel<ThreadRank>;
    Trainer<Part<M, N>, Ranks> run(run_model, test::both(), o, {}, Ranks(rank));
    for (const double norm : norms) require(std::fabs(run.step().gradient_norm - norm), "norm");
    const auto values = [](auto const& m, auto const& p) { return m.value(p); };
    const auto moments = [](auto const& m, auto const& p) { return m.moment(p, 1); };
    require(distance(run_model, trained, rank.rank(), values), "weights");
    run.save(folder / "parts");

    Part<M, N> again(seed{5}, 1);
    TrainOptions later = o;
    later.resume = folder / "alone";
    Trainer<Part<M, N>, Ranks> resumed(again, test::both(), later, {}, Ranks(rank));
    require(again.steps() == 10 ? 0 : 1, "steps");
    require(distance(again, trained, rank.rank(), values), "loaded weights");
    require(distance(again, trained, rank.rank(), moments), "loaded moments");
  });
  Alone<M> from_parts(seed{5}, 1);
  TrainOptions later = o;
  later.resume = folder / "parts";
  Trainer<Alone<M>> resumed(from_parts, test::both(), later);
  for (auto const& p : trained.parameters())
    for (std::size_t i = 0; i < p.size(); ++i) {
      REQUIRE(std::fabs(from_parts.value(p).data()[i] - trained.value(p).data()[i]) < 1e-12);
      REQUIRE(std::fabs(from_parts.moment(p, 1).data()[i] - trained.moment(p, 1).data()[i]) < 1e-12);
    }
}

}  // namespace test::in_parts
