// What a small Gpt on a mesh of ranks is held to: ten updates of the whole one, and its checkpoints.
#pragma once
#include <doctest/doctest.h>

#include <fauna/dist/mesh.hpp>
#include <fauna/models/gpt.hpp>

#include "pipeline_check.hpp"
#include "tensor_parallel_check.hpp"

namespace test::in_mesh {

using namespace fauna;

using SmallGpt = Gpt<GptConfig{.layers = 2, .heads = 2, .width = 12, .context = 12, .vocab = 27}>;
template <class M> using Alone = Trained<M, Ref<double>>;

/// Ten updates of the whole model.
template <class M = SmallGpt> struct Plain {
  explicit Plain(int accumulation, int context = 7) : options(test::options(4, accumulation)) {
    options.context = context;
    Trainer<Alone<M>> run(model, test::both(), options);
    for (int i = 0; i < 10; ++i) steps.push_back(run.step());
    run.save(folder / "alone");
  }
  TrainOptions options;
  TemporaryFolder folder;
  Alone<M> model{seed{5}, 1};
  std::vector<typename Trainer<Alone<M>>::Step> steps;
};

/// A rank's model in ten updates, and one that goes on from the plain run's checkpoint. distance(model): of its weights
/// from the plain ones. how: what the ranks are told beside the mesh.
template <class Ranks, class M, class C, class Make, class Distance, class... How>
void follow(Plain<M> const& plain, MeshGroups<C>& mesh, Make&& make, Distance&& distance, How... how) {
  using test::in_stages::require, test::in_stages::require_near;
  auto model = make();
  using Model = decltype(model);
  Ranks drawing(mesh);
  drawing.draw(model);
  Trainer<Model, Ranks> run(model, test::both(), plain.options, {}, Ranks(mesh, how...));
  for (auto const& wanted : plain.steps) {
    const auto found = run.step();
    require_near(found.loss, wanted.loss, "loss");
    require_near(found.gradient_norm, wanted.gradient_norm, "norm");
  }
  if constexpr (requires { run.ranks().make_whole(model); }) run.ranks().make_whole(model);
  require_near(distance(model), 0, "weights");
  run.save(plain.folder / "mesh");

  auto again = make();
  TrainOptions later = plain.options;
  later.resume = plain.folder / "alone";
  Trainer<Model, Ranks> resumed(again, test::both(), later, {}, Ranks(mesh, how...));
  if constexpr (requires { resumed.ranks().make_whole(again); }) resumed.ranks().make_whole(again);
  require(resumed.iteration() == 10 && distance(again) == 0, "what was loaded");
}
template <class M> void require_saved(Plain<M> const& plain) {
  Alone<M> found(seed{5}, 1);
  TrainOptions later = plain.options;
  later.resume = plain.folder / "mesh";
  const Trainer<Alone<M>> resumed(found, test::both(), later);
  CHECK(found.steps() == 10);
  CHECK(test::in_stages::distance(found, plain.model, test::in_stages::values) < 1e-12);
}

/// M in two stages, as many times as there is room for on so many ranks, is the whole one.
template <class Replicas, class M, class... How> void check_stages(Plain<M> const& plain, int ranks, How... how) {
  test::on_ranks(ranks, [&](ThreadRank& all) {
    MeshGroups<ThreadRank> mesh(all, replicated({.pp = 2}, ranks));
    const auto run = [&]<int I>(std::integral_constant<int, I>) {
      using Stage = test::in_stages::On<M, 2, I>;
      follow<Pipeline<ThreadRank, Replicas>>(
          plain, mesh, [&mesh] { return Stage(mesh.pp, seed{5}, 1); },
          [&](auto const& model) { return test::in_stages::distance(model, plain.model, test::in_stages::values); },
          how...);
    };
    if (mesh.pp.rank() == 0) run(std::integral_constant<int, 0>{});
    else run(std::integral_constant<int, 1>{});
  });
  require_saved(plain);
}
/// M in two tensor parallel parts, likewise.
template <class Ranks, class C = ThreadRank, class M, class Make, class... How>
void check_parts(Plain<M> const& plain, int ranks, Make&& make, How... how) {
  test::on_ranks(ranks, [&](ThreadRank& rank) {
    C all(rank);
    MeshGroups<C> mesh(all, replicated({.tp = 2}, ranks));
    follow<Ranks>(
        plain, mesh, make,
        [&](auto const& model) {
          return test::in_parts::distance(model, plain.model, mesh.tp.rank(), test::in_stages::values);
        },
        how...);
  });
  require_saved(plain);
}

}  // namespace test::in_mesh
