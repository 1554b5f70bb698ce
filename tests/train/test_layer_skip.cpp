// Layers that are passed over, losses of early exits, and what a model trained by them is good for.
#include <doctest/doctest.h>

#include <fauna/decode/speculate/speculate.hpp>
#include <fauna/models/gpt.hpp>
#include <fauna/models/mamba.hpp>
#include <fauna/train/train.hpp>

#include "../support/model_check.hpp"
#include "../support/speculate_check.hpp"

namespace test_layer_skip {

using namespace fauna;
using doctest::Contains;

namespace {

using B = Cpu<>;
template <int Layers>
using Model = Gpt<GptConfig{.layers = Layers, .heads = 2, .width = 12, .context = 32, .vocab = 11, .bias = true}>;
using Recurrent = Mamba<MambaConfig{.layers = 2, .width = 8, .inner = 16, .states = 3, .rank = 1, .vocab = 11}>;

/// The loss of a pass by such rounds, on any scalar; its gradient is added, times the weight.
template <class M, class P> auto pass(P& p, Rounds const& how, double weight, bool backward) {
  using S = std::remove_reference_t<decltype(p.values[0])>;
  typename M::template State<S> none{};
  p.call.rounds = &how;
  p.call.loss_scale = weight;
  const S loss(M::forward(p.call, p.w, p.dw, none, p.saved));
  if (backward) {
    p.scratch_memory.poison();
    M::backward(p.call, p.w, p.dw, p.saved, none);
  }
  return loss;
}

}  // namespace

TEST_CASE("layer skip: the gradient of both losses is that of dual numbers, whichever layers are passed over") {
  using M = Model<4>;
  const test::Text text(test::ragged(), M::vocab);
  const std::size_t n = test::weight_count<M>();
  const auto w = test::random_values(n, 1), wd = test::weight_direction<M>(2);
  const std::vector<unsigned char> masks[] = {{0, 0, 0, 0}, {0, 1, 0, 0}, {0, 0, 1, 1}, {1, 0, 0, 0}, {1, 1, 1, 1}};
  for (auto const& mask : masks)
    for (const int exit : {1, 3}) {
      const Rounds whole{.passed_over = mask.data()}, early{.to = exit, .passed_over = mask.data()};
      test::Pass<M, Dual> dual(text.batch, test::dual(w, wd), {});
      test::Pass<M, double> p(text.batch, w, {});
      test::Comparison result;
      result.dual = pass<M>(dual, whole, 1, false).d + 0.3 * pass<M>(dual, early, 1, false).d;
      pass<M>(p, whole, 1, true);
      pass<M>(p, early, 0.3, true);
      result.add(p.gradients, wd);
      CHECK(result.error() <= 1e-12);
      CHECK(result.terms > 0);
    }
}

TEST_CASE("layer skip: a model that passes over a layer is one without it") {
  const auto trained = test::lively<Model<3>, B>(1);
  Trained<Model<2>, B> fewer(seed{9}, 1);
  for (Parameter const& p : fewer.parameters()) {
    std::string name = p.name;
    if (const std::size_t at = name.find("h.1."); at != std::string::npos) name[at + 2] = '2';
    Parameter const& q = trained.parameter(name);
    std::copy_n(trained.value(q).data(), q.size(), fewer.value(p).data());
  }
  auto whole = test::lively<Model<3>, B>(1);
  const test::Text text(test::plain(2, 7), Model<3>::vocab);
  whole.prepare_training({.sequences = 2, .length = 7});
  fewer.prepare_training({.sequences = 2, .length = 7});
  const unsigned char mask[] = {0, 1, 0};
  const Rounds how{.passed_over = mask};
  whole.announce(&how);
  CHECK(whole.accumulate(text.batch) == fewer.accumulate(text.batch));
  CHECK(whole.gradient(whole.parameter("transformer.h.2.mlp.c_fc.weight"))(3, 4) ==
        fewer.gradient(fewer.parameter("transformer.h.1.mlp.c_fc.weight"))(3, 4));
  CHECK(whole.gradient(whole.parameter("transformer.h.1.mlp.c_fc.weight"))(3, 4) == 0);
}

TEST_CASE("layer skip: deeper layers are passed over more often, exits come in turn, and both losses count") {
  using T = Trained<Model<4>, B>;
  CHECK(layer_dropout_of(0.5, 0, 4) == 0);
  CHECK(layer_dropout_of(0.5, 3, 4) == doctest::Approx(0.5));
  CHECK(layer_dropout_of(0.5, 2, 3) == doctest::Approx(0.5));
  CHECK(layer_dropout_of(0.5, 1, 3) == doctest::Approx(0.5 * (std::sqrt(2.0) - 1)));
  LayerSkip<T> skip({.dropout = 0.5, .exit_loss = 1});
  int passed[4] = {}, exits[4] = {};
  constexpr int batches = 3000;
  for (std::uint64_t i = 0; i < batches; ++i) {
    skip.draw(i, Key{1, 2}.child(i));
    for (std::size_t l = 0; l < 4; ++l) passed[l] += skip.passed_over()[l];
    ++exits[skip.exit()];
  }
  for (int l = 0; l < 4; ++l)
    CHECK(passed[l] == doctest::Approx(batches * layer_dropout_of(0.5, l, 4)).epsilon(0.1).scale(1));
  CHECK(exits[0] == 0);
  for (const int e : {1, 2, 3}) CHECK(exits[e] == batches / 3);

  // The gradient of accumulate is that of a pass of all layers, and of one of the first.
  auto one = test::lively<Model<4>, B>(1), other = test::lively<Model<4>, B>(1);
  const test::Text text(test::plain(2, 7), Model<4>::vocab);
  one.prepare_training({.sequences = 2, .length = 7});
  other.prepare_training({.sequences = 2, .length = 7});
  LayerSkip<T> both({.exit_loss = 0.25});
  both.draw(1, {});
  CHECK(both.exit() == 2);
  const double loss = both.accumulate(one, text.batch, 0.5, {}, nullptr);
  CHECK(one.announced() == nullptr);
  const Rounds early{.to = 2};
  other.announce(&early);
  CHECK(other.accumulate(text.batch, 0.125) != loss);
  other.announce(nullptr);
  CHECK(loss == other.accumulate(text.batch, 0.5));
  for (Parameter const& p : one.parameters())
    CHECK(std::equal(one.gradient(p).data(), one.gradient(p).data() + p.size(), other.gradient(p).data()));

  using Mambas = Trained<Recurrent, B>;
  CHECK_THROWS_WITH_AS(LayerSkip<Mambas>({.exit_loss = 1}), Contains("a state of one size"), error);
  using Single = Trained<Model<1>, B>;
  CHECK_THROWS_WITH_AS(LayerSkip<Single>({.dropout = 0.1}), Contains("an exit after 1 layers"), error);
  CHECK_THROWS_WITH_AS(LayerSkip<T>({.dropout = 1}), Contains("expected 0 to below 1"), error);
  CHECK_THROWS_WITH_AS(LayerSkip<T>({.exit_loss = -1}), Contains("expected 0 or more"), error);
  CHECK_FALSE(LayerSkip<Mambas>({}).on());
}

TEST_CASE("layer skip: more drafts of the first layers stay after it") {
  using M = Model<4>;
  std::vector<int> ids;  // each token follows from the two before it
  for (std::size_t i = 0; i < 4000; ++i)
    ids.push_back(i < 2 || i % 37 == 0 ? static_cast<int>(i % 11) : (ids[i - 1] * 3 + ids[i - 2] + 1) % 11);
  const std::vector<std::uint16_t> small(ids.begin(), ids.end());
  const Tokens text(small.data(), small.size(), M::vocab);
  const auto tokens_per_step = [&](LayerSkipOptions const& how) {
    Trained<M, B> model(seed{1}, 2);
    TrainOptions o{.steps = 300, .batch = 8, .context = 32, .eval_interval = 0, .log_interval = 0, .print = nullptr};
    o.adamw.lr = 1e-2;
    o.layer_skip = how;
    train(model, Split{text, text}, o);
    Loaded<M, B> loaded(model.weights(), 1);
    Reader<Loaded<M, B>, true> reader(loaded, 32);
    EarlyExit drafter(reader, 2);
    double sum = 0;
    for (int i = 0; i < 4; ++i) {
      const std::vector<int> prompt(ids.begin() + 100 * i, ids.begin() + 100 * i + 4);
      const GenerateOptions g{.tokens = 28, .temperature = 0, .top_k = 0, .context = 32};
      const auto got = speculate(reader, drafter, prompt, {.text = g, .draft = 4});
      CHECK(got.ids == test::plain(loaded, prompt, g));
      sum += got.counts.tokens_per_step() / 4;
    }
    return sum;
  };
  const double without = tokens_per_step({}), with = tokens_per_step({.dropout = 0.1, .exit_loss = 0.5});
  MESSAGE("tokens a step: ", without, ", and with exit losses ", with);
  CHECK(with > 1.2 * without);
}

}  // namespace test_layer_skip
