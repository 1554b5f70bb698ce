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
using Alone = Trained<SmallGpt, Ref<double>>;

/// Ten updates of the whole model.
struct Plain {
  explicit Plain(int accumulation) : options(test::options(4, accumulation)) {
    Trainer<Alone> run(model, test::both(), options);
    for (int i = 0; i < 10; ++i) steps.push_back(run.step());
    run.save(folder / "alone");
  }
  TrainOptions options;
  TemporaryFolder folder;
  Alone model{seed{5}, 1};
  std::vector<Trainer<Alone>::Step> steps;
};

/// A rank's model in ten updates, and one that goes on from the plain run's checkpoint. distance(model): of its weights
/// from the plain ones.
template <class Ranks, class Make, class Distance>
void follow(Plain const& plain, MeshGroups<ThreadRank>& mesh, Make&& make, Distance&& distance) {
  using test::in_stages::require, test::in_stages::require_near;
  auto model = make();
  using Model = decltype(model);
  Ranks drawing(mesh);
  drawing.draw(model);
  Trainer<Model, Ranks> run(model, test::both(), plain.options, {}, Ranks(mesh));
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
  Trainer<Model, Ranks> resumed(again, test::both(), later, {}, Ranks(mesh));
  if constexpr (requires { resumed.ranks().make_whole(again); }) resumed.ranks().make_whole(again);
  require(resumed.iteration() == 10 && distance(again) == 0, "what was loaded");
}
inline void require_saved(Plain const& plain) {
  Alone found(seed{5}, 1);
  TrainOptions later = plain.options;
  later.resume = plain.folder / "mesh";
  const Trainer<Alone> resumed(found, test::both(), later);
  CHECK(found.steps() == 10);
  CHECK(test::in_stages::distance(found, plain.model, test::in_stages::values) < 1e-12);
}

}  // namespace test::in_mesh
