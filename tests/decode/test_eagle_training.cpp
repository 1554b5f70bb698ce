// EAGLE's layer is trained on a model that stays as it is.
#include <doctest/doctest.h>

#include <fauna/decode/speculate/eagle.hpp>
#include <fauna/train/eagle.hpp>

#include "../support/small_llamas.hpp"
#include "../support/speculate_check.hpp"
#include "../support/temporary.hpp"

namespace test_eagle_training {

using namespace fauna;
using doctest::Contains;

namespace {

using test::Untied;
using B = Cpu<>;
using Layer = Eagle<eagle_of(Untied::config)>;
constexpr int d = Untied::width, vocab = Untied::vocab;

}  // namespace

TEST_CASE("eagle training: the loss's gradient is its slope") {
  auto trained = test::lively<Untied, B>(1);
  const auto head = trained.value(trained.parameter("lm_head.weight"));
  for (std::size_t i = 0; i < head.size(); ++i) head.data()[i] *= 0.2F;
  Loaded<Untied, B, All<float>> target(trained.weights(), 1);
  target.prepare_inference({.sequences = 1, .length = 3});
  test::Random random(4);
  std::vector<float> guess(3 * d), real(3 * d), gradient(3 * d);
  for (float& x : guess) x = 2 * random.uniform();
  for (float& x : real) x = 2 * random.uniform();
  const int tokens[] = {1, 12, 5};
  const auto rows = [](std::vector<float>& v) { return Matrix<float>(v.data(), 3, d); };
  const auto got = eagle_loss(target, reading(rows(guess)), reading(rows(real)), tokens, 0.7, rows(gradient));
  // The same in double precision, from the definition.
  struct Loss {
    double all, features, tokens;
  };
  const auto loss = [&](std::vector<double> const& g) {
    double features = 0, laws = 0, of_tokens = 0;
    for (std::size_t r = 0; r < 3; ++r) {
      double z[2][vocab], sum[2]{};
      for (int v = 0; v < vocab; ++v) {
        z[0][v] = z[1][v] = 0;
        for (std::size_t k = 0; k < d; ++k) {
          z[0][v] += static_cast<double>(head(v, static_cast<int>(k))) * g[r * d + k];
          z[1][v] += static_cast<double>(head(v, static_cast<int>(k))) * static_cast<double>(real[r * d + k]);
        }
        for (const int i : {0, 1}) sum[i] += std::exp(z[i][v]);
      }
      for (int v = 0; v < vocab; ++v) laws -= std::exp(z[1][v]) / sum[1] * (z[0][v] - std::log(sum[0])) / 3;
      of_tokens -= (z[0][tokens[r]] - std::log(sum[0])) / 3;
      for (std::size_t k = 0; k < d; ++k) {
        const double a = std::abs(g[r * d + k] - static_cast<double>(real[r * d + k]));
        features += (a < 1 ? a * a / 2 : a - 0.5) / (3 * d);
      }
    }
    return Loss{features + 0.7 * laws, features, of_tokens};
  };
  std::vector<double> at(guess.begin(), guess.end());
  CHECK(got.features == doctest::Approx(loss(at).features).epsilon(1e-5));
  CHECK(got.tokens == doctest::Approx(loss(at).tokens).epsilon(1e-5));
  int far = 0;
  for (std::size_t i = 0; i < at.size(); ++i) {
    const double before = at[i], step = 1e-5;
    far += std::abs(before - static_cast<double>(real[i])) > 1;
    at[i] = before + step;
    const double up = loss(at).all;
    at[i] = before - step;
    const double slope = (up - loss(at).all) / (2 * step);
    at[i] = before;
    CHECK(static_cast<double>(gradient[i]) == doctest::Approx(slope).epsilon(1e-4).scale(0.1));
  }
  CHECK(far > 5);
  CHECK(far < 43);
}

TEST_CASE("eagle training: a layer learns what the model gives, and drafts better for it") {
  const auto trained = test::lively<Untied, B>(1);
  Loaded<Untied, B, All<float>> rows(trained.weights(), 1);
  Loaded<Untied, B> model(trained.weights(), 1);
  std::vector<int> ids;  // what the model itself writes
  for (std::uint64_t i = 0; ids.size() < 3000; ++i) {
    const auto some = test::plain(model, test::some_tokens<Untied>(3, i),
                                  {.tokens = 60, .temperature = 0.3F, .top_k = 0, .seed = i, .context = 64});
    ids.insert(ids.end(), some.begin(), some.end());
  }
  Trained<Layer, B> layer(seed{1}, 1);
  const auto tokens_per_step = [&] {
    Loaded<Layer, B> loaded(layer.weights(), 1);
    Reader<Loaded<Untied, B>, true> reader(model, 64);
    EagleChain drafter(reader, EagleReader(loaded, 64));
    const auto prompt = test::some_tokens<Untied>(5, 77);
    const GenerateOptions o{.tokens = 55, .temperature = 0, .top_k = 0, .context = 64};
    const auto got = speculate(reader, drafter, prompt, {.text = o, .draft = 3});
    CHECK(got.ids == test::plain(model, prompt, o));
    return got.counts.tokens_per_step();
  };
  const double before = tokens_per_step();
  EagleLosses first, last;
  train_eagle(layer, rows, ids, {.steps = 300, .batch = 4, .context = 32, .lr = 1e-2},
              [&](int step, EagleLosses const& l) { (step == 0 ? first : last) = l; });
  MESSAGE("features ", first.features, " to ", last.features, ", tokens ", first.tokens, " to ", last.tokens);
  CHECK(last.features < 0.8 * first.features);
  CHECK(last.tokens < 0.92 * first.tokens);
  const double after = tokens_per_step();
  MESSAGE("tokens a step: ", before, ", and trained ", after);
  CHECK(after > before);
  CHECK(after > 1.3);

  const TemporaryFolder folder;
  const std::string path = folder / "model.safetensors";
  save_weights<Layer>(path, layer.weights());
  const SafeTensors file(path);
  for (const char* name : {"fc.weight", "fc.bias", "layers.0.self_attn.q_proj.weight",
                           "layers.0.post_attention_layernorm.weight", "layers.0.mlp.down_proj.weight"})
    CHECK(file.find(name) != nullptr);
  CHECK(file.find("fc.weight")->text() == "F32 [16, 32]");
  Trained<Layer, B> again(seed{2}, 1);
  load_weights<Layer>(B{}, again.weights(), open_tensors(path));
  for (Parameter const& p : layer.parameters())
    CHECK(std::equal(layer.value(p).data(), layer.value(p).data() + p.size(), again.value(p).data()));

  CHECK_THROWS_WITH_AS(train_eagle(layer, rows, std::vector<int>(20), {.context = 32}, [](int, EagleLosses const&) {}),
                       Contains("a text of 20 tokens, expected more than 33"), error);
}

}  // namespace test_eagle_training
