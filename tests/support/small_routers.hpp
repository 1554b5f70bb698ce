// Mixtures of experts of every router and dispatcher, small, as their tests have them.
#pragma once
#include <doctest/doctest.h>

#include <fauna/blocks/expert_choice.hpp>
#include <fauna/blocks/gshard.hpp>
#include <fauna/blocks/hash_router.hpp>
#include <fauna/blocks/mlp.hpp>
#include <fauna/blocks/moe.hpp>
#include <fauna/blocks/noisy_top_k.hpp>
#include <fauna/blocks/sinkhorn.hpp>
#include <fauna/blocks/zero_experts.hpp>
#include <fauna/compose/parallel.hpp>
#include <fauna/compose/residual.hpp>
#include <fauna/ops/cpu.hpp>
#include <fauna/ops/ref.hpp>

#include "gradients.hpp"
#include "op_check.hpp"

namespace {

using namespace fauna;
using test::check, test::W;
using Expert = GatedMlp<W, 5>;

template <int E, int K = 1> struct Chosen {
  std::vector<double> p;
  std::vector<int> ids;
  int rows() const { return static_cast<int>(ids.size()) / K; }
  Matrix<const double> probabilities() const { return Matrix<const double>(p.data(), rows(), E); }
  Matrix<const int> choices() const { return Matrix<const int>(ids.data(), rows(), K); }
  double balance(Batch const& b, Balance const& how = {}, bool one = true) const {
    double value = 0;
    RouterLosses<E>::balance(Ref<double>{}, b, how,
                             Choice{.scores = one ? router_scores::softmax : router_scores::sigmoid}, probabilities(),
                             choices(), &value);
    return value;
  }
};

/// How a dispatcher serves choices: 1 where one has a place.
template <class D, int E, int K> std::vector<int> served(std::vector<int> ids, std::vector<double> weights, Batch b) {
  const int rows = static_cast<int>(ids.size()) / K;
  std::vector<int> places(ids.size(), 99), sources(static_cast<std::size_t>(D::rows(rows, rows * K, E)), 99);
  int first[E + 1];
  typename D::template State<double, E> none{};
  D::template place<double>(b, Matrix<const int>(ids.data(), rows, K), Matrix<const double>(weights.data(), rows, K), K,
                            none, Places{E, first, Matrix<int>(places.data(), rows, K), sources.data()});
  for (std::size_t i = 0; i < ids.size(); ++i) {
    if (places[i] >= 0) {  // among the rows of its expert, and of this row
      CHECK(places[i] >= first[ids[i]]);
      CHECK(places[i] < first[ids[i] + 1]);
      CHECK(sources[static_cast<std::size_t>(places[i])] == static_cast<int>(i) / K);
    }
    places[i] = places[i] >= 0;
  }
  return places;
}

constexpr Routing losses{.balance = 0.5F, .z = 0.25F};
constexpr Routing by_sequence{
    .balance = 0.5F, .scores = router_scores::sigmoid, .counting = {.scope = loss_scope::sequence, .choices = 1}};
template <class Dispatcher, Routing How = losses, class Combine = WeightedOutputs>
using Mixed = MixtureOfExperts<TopK<W, 4, 2, How>, Dispatcher, Combine, Each<Expert, 4>>;
using Queue = Capacity<Limits{.factor = 1, .length = 4}>;
using ByWeight = Capacity<Limits{.factor = 0.75F, .order = queue::weight, .scope = queue_of::batch}>;
using ByChoice = Capacity<Limits{.factor = 0.75F, .order = queue::choice}>;

template <class R, class Dispatcher = Dropless>
using Routed = MixtureOfExperts<R, Dispatcher, WeightedOutputs, Each<Expert, R::experts>>;
using Switch = Routed<TopK<W, 4, 1, Routing{.renormalised = false, .balance = 0.5F}>,
                      Capacity<Limits{.factor = 1.25F, .length = 5}>>;
using Second = Routed<Gshard<W, 4, Routing{.balance = 0.5F, .counting = {.choices = 1}}>, ByChoice>;
using Noisy = Routed<NoisyTopK<W, 5, 2, NoisyLosses{.importance = 0.5F, .load = 0.25F}>>;
using NoisyAll = Routed<NoisyTopK<W, 2, 2>>;  // every expert is chosen whatever its noise
using Taken = Routed<ExpertChoice<W, 4, 2>>;
using Plan1 = Routed<Sinkhorn<W, 4>>;
using Plan2 = Routed<Sinkhorn<W, 4, 2>>;
using Hashed = Routed<HashRouter<W, 4>>;

using Plain = MixtureOfExperts<TopK<W, 4, 2>, Dropless, WeightedOutputs, Each<Mlp<W, 5>, 4>>;
// A dense MLP beside one expert of each row (Rajbhandari et al. 2022, "DeepSpeed-MoE", section 4.1).
using Pyramid = Residual<Parallel<Mlp<W, 5>, Routed<TopK<W, 4, 1, Routing{.renormalised = false}>>>>;
using Idle = MixtureOfExperts<TopK<W, 7, 3>, Dropless, WeightedOutputs, Each<Expert, 3>, Each<ZeroExpert<W>, 1>,
                              Each<CopyExpert<W>, 1>, Each<ConstantExpert<W>, 2>>;
using Idle1 =
    MixtureOfExperts<TopK<W, 3, 3>, AllExperts, WeightedInputs, Each<ConstantExpert<W>, 1>, Each<CopyExpert<W>, 2>>;

/// y of a block in f32, by backend B, where its rows are those of `batch`.
template <class Block, class B> std::vector<float> output(Batch const& batch, std::vector<float> x, int threads) {
  std::vector<float> weights(test::weight_count<Block>()), y(x.size());
  for (std::size_t i = 0; i < weights.size(); ++i) weights[i] = Key{3, 3}.uniform(i) - 0.5F;
  typename Block::template Weights<All<float>> w;
  test::bind_weights<Block>(w, weights.data());
  Shape shape = test::shape_of(batch);
  shape.threads = threads;
  shape.backward = false;
  Arena measure;
  Block::template plan_scratch<B>(shape, measure);
  test::Poisoned memory(measure.high_water());
  Arena scratch = memory.arena();
  Call<B> call;
  call.backend.threads = threads;
  call.backend.scratch = &scratch;
  call.batch = &batch;
  typename Block::template State<float> none{};
  typename Block::template Saved<float> saved;
  Block::forward(call, w, none, View<const float, dyn, Block::in>(x.data(), batch.rows),
                 View<float, dyn, Block::out>(y.data(), batch.rows), saved);
  return y;
}
[[maybe_unused]] std::vector<float> some_rows(int rows, int width) {
  std::vector<float> x(static_cast<std::size_t>(rows * width));
  for (std::size_t i = 0; i < x.size(); ++i) x[i] = Key{4, 4}.uniform(i) - 0.5F;
  return x;
}

}  // namespace
