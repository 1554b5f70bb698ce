// What a model whose experts lie on several ranks is held to: one rank's losses, gradients and weights.
#pragma once
#include <doctest/doctest.h>

#include <fauna/dist/counting.hpp>
#include <fauna/dist/expert_parallel.hpp>

#include "../support/temporary.hpp"
#include "ranks.hpp"

namespace test::dealt_experts {

using namespace fauna;

constexpr int batch = 5, context = 6;  // ranks have other numbers of sequences

template <class M> using Alone = Trained<M, Ref<double>>;
template <class M, int N, class C = ThreadRank> using Part = ExpertShare<expert_parallel<M, N>, Ref<double>, C>;

inline void require(bool holds, const char* what) {
  if (!holds) throw std::runtime_error(what);
}
inline void require_small(double found, const char* what) {
  if (!(found < 1e-12)) throw std::runtime_error(std::string(what) + ": " + std::to_string(found));
}
inline BatchMemory some_text() {
  BatchMemory text(batch, context);
  text.draw(test::both().train, Key{1, 2}, 0);
  return text;
}
/// The sequences of a batch that rank r of n has.
inline Batch own(BatchMemory& text, int r, int n) {
  const int from = batch * r / n, to = batch * (r + 1) / n;
  return Batch::uniform(to - from, context, text.tokens.data() + from * context, text.targets.data() + from * context);
}
constexpr auto values = [](auto const& m, auto const& p) { return m.value(p); };
constexpr auto gradients = [](auto const& m, auto const& p) { return m.gradient(p); };
constexpr auto moments = [](auto const& m, auto const& p) { return m.moment(p, 1); };

/// The largest difference of a rank's tensors from those of the same names in the whole model.
template <class P, class W, class Of> double distance(P const& part, W const& whole, Of&& of) {
  double most = 0;
  std::size_t alone = 0;
  for (auto const& p : part.parameters()) {
    auto const& w = whole.parameter(p.name);
    alone += p.alone;
    require(p.size() == w.size(), "sizes");
    for (std::size_t i = 0; i < p.size(); ++i)
      most = std::fmax(most, std::fabs(of(part, p).data()[i] - of(whole, w).data()[i]));
  }
  require(alone > 0, "experts");
  return most;
}

/// One batch on all ranks: the loss and gradients of 0.5 times it.
template <class Ranks, class T> double run(Ranks& ranks, T& model, BatchMemory& text, int rank, int n) {
  const Batch mine = own(text, rank, n);
  const double weight = 0.5 * mine.sequences / batch;
  model.prepare_training({.sequences = batch / n + 1, .length = context});
  ranks.divide(1);
  return 2 * ranks.gradients(model, [&](int) { return weight * model.accumulate(mine, weight); });
}

/// `M` on N ranks with 1/N of the experts each is M on one, in double to 1e-12. `prepare(model)` comes first.
template <class M, int N, class Prepare> void check_pass(Prepare&& prepare) {
  BatchMemory text = some_text();
  Alone<M> whole(seed{5}, 1);
  prepare(whole);
  whole.prepare_training({.sequences = batch, .length = context});
  const double loss = whole.accumulate(text.batch(), 0.5);
  std::vector<double> losses(batch * context);
  whole.losses(text.batch(), losses.data());
  test::on_ranks(N, [&](ThreadRank& rank) {
    Part<M, N> model(rank, seed{5}, 1);
    prepare(model);
    ExpertParallel<ThreadRank> all(rank);
    require_small(std::fabs(run(all, model, text, rank.rank(), N) - loss), "loss");
    require_small(distance(model, whole, gradients), "gradients");
    std::vector<double> each(losses.size());
    model.prepare_inference({.sequences = batch, .length = context});
    model.losses(text.batch(), each.data());
    require_small(test::distance(each, losses), "losses");
    // An expert whose rows were counted twice would not go unseen.
    double most = 0;
    for (auto const& p : model.parameters())
      for (std::size_t i = 0; p.alone && i < p.size(); ++i) {
        most = std::fmax(most, std::fabs(model.gradient(p).data()[i]));
        model.gradient(p).data()[i] *= 2;
      }
    require(rank.rank() > 0 || most > 1e-6, "rows of the first experts");
    require_small(std::fabs(distance(model, whole, gradients) - most), "a doubled gradient's difference");
  });
}

/// Ten updates of two batches each; checkpoints are of the whole model, and each goes on with the other's. On `copies`
/// times N ranks.
template <class M, int N> void check_run(int copies) {
  TrainOptions o = options(4, 2);
  o.context = context;
  Alone<M> trained(seed{5}, 1);
  Trainer<Alone<M>> plain(trained, test::both(), o);
  std::vector<typename Trainer<Alone<M>>::Step> steps;
  for (int i = 0; i < 10; ++i) steps.push_back(plain.step());
  TemporaryFolder folder;
  plain.save(folder / "alone");
  test::on_ranks(copies * N, [&](ThreadRank& rank) {
    using Ranks = ExpertParallel<ThreadRank>;
    MeshGroups<ThreadRank> mesh(rank, replicated({.ep = N}, rank.size()));
    Part<M, N> model(mesh, seed{5}, 1);
    Trainer<Part<M, N>, Ranks> run(model, test::both(), o, {}, Ranks(mesh));
    for (auto const& wanted : steps) {
      const auto found = run.step();
      require_small(std::fabs(found.loss - wanted.loss), "loss");
      require_small(std::fabs(found.gradient_norm - wanted.gradient_norm), "norm");
    }
    require_small(distance(model, trained, values), "weights");
    run.save(folder / "dealt");

    Part<M, N> again(mesh, seed{5}, 1);
    TrainOptions later = o;
    later.resume = folder / "alone";
    Trainer<Part<M, N>, Ranks> resumed(again, test::both(), later, {}, Ranks(mesh));
    require(again.steps() == 10, "steps");
    require(distance(again, trained, values) == 0 && distance(again, trained, moments) == 0, "what was loaded");
  });
  Alone<M> found(seed{5}, 1);
  TrainOptions later = o;
  later.resume = folder / "dealt";
  const Trainer<Alone<M>> resumed(found, test::both(), later);
  for (auto const& p : trained.parameters())
    for (std::size_t i = 0; i < p.size(); ++i) {
      REQUIRE(std::fabs(found.value(p).data()[i] - trained.value(p).data()[i]) < 1e-12);
      REQUIRE(std::fabs(found.moment(p, 1).data()[i] - trained.moment(p, 1).data()[i]) < 1e-12);
    }
}

}  // namespace test::dealt_experts
