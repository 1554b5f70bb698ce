// What a model in sequence parallel is held to: the whole one's losses, gradients and weights.
#pragma once
#include <doctest/doctest.h>

#include <fauna/dist/sequence_parallel.hpp>
#include <fauna/models/gpt.hpp>

#include "tensor_parallel_check.hpp"

namespace test::in_rows {

using namespace fauna;
using test::ThreadRank, test::in_parts::Alone;

using SmallGpt = Gpt<GptConfig{.layers = 2, .heads = 4, .width = 24, .context = 12, .vocab = 27}>;
template <class M, int N> using RowShare = SequenceShare<sequence_parallel<M, N>, Ref<double>>;
inline constexpr int batch = 3, context = 8, rows = batch * context;

inline BatchMemory some_text() {
  BatchMemory text(batch, context);
  text.draw(test::both().train, Key{1, 2}, 0);
  for (const int r : {3, 13, 14, 15, 16, 17}) text.targets[static_cast<std::size_t>(r)] = ignore_target;
  return text;
}
inline void require(double found, const char* what) {
  if (!(found < 1e-12)) throw std::runtime_error(std::string(what) + ": " + std::to_string(found));
}

/// `M` on N ranks is the whole one, in double to 1e-12.
template <class M, int N> void check() {
  CAPTURE(N);
  BatchMemory text = some_text();
  Alone<M> whole(seed{5}, 1);
  whole.prepare_training({.sequences = batch, .length = context});
  const double loss = whole.accumulate(text.batch());
  std::vector<double> losses(rows);
  whole.losses(text.batch(), losses.data());
  TrainOptions o = test::options(4, 2);
  o.context = context;
  Alone<M> trained(seed{5}, 1);
  Trainer<Alone<M>> plain(trained, test::both(), o);
  std::vector<double> norms;
  for (int i = 0; i < 10; ++i) norms.push_back(plain.step().gradient_norm);
  test::on_ranks(N, [&](ThreadRank& rank) {
    RowShare<M, N> model(seed{5}, 1);
    take_part(model, Alone<M>(seed{5}, 1), rank.rank());
    model.prepare_training({.sequences = batch, .length = context});
    SequenceParallel<ThreadRank> ranks(rank);
    require(std::fabs(ranks.gradients(model, [&](int) { return model.accumulate(text.batch()); }) - loss), "loss");
    require(
        test::in_parts::distance(model, whole, rank.rank(), [](auto const& m, auto const& p) { return m.gradient(p); }),
        "gradients");
    std::vector<double> each(rows);
    ranks.once(model, [&] { return model.losses(text.batch(), each.data()), 0; });
    require(test::distance(each, losses), "losses");

    RowShare<M, N> run_model(seed{5}, 1);
    ranks.draw(run_model);
    Trainer<RowShare<M, N>, SequenceParallel<ThreadRank>> run(run_model, test::both(), o, {},
                                                              SequenceParallel<ThreadRank>(rank));
    for (const double norm : norms) require(std::fabs(run.step().gradient_norm - norm), "norm");
    require(test::in_parts::distance(run_model, trained, rank.rank(),
                                     [](auto const& m, auto const& p) { return m.value(p); }),
            "weights");
  });
}

}  // namespace test::in_rows
