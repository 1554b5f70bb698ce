// Losses on preferences: by hand, against differences, against PyTorch on a model with an adapter; and what training on
// them does.
#include <doctest/doctest.h>

#include <cmath>
#include <string>
#include <vector>

#include <fauna/ops/cpu.hpp>
#include <fauna/train/preference.hpp>

#include "../support/adapters.hpp"

namespace test_preference {

using namespace test;

namespace {

/// The derivative of f at x, by a difference.
template <class F> double slope(F&& f, double x) {
  constexpr double h = 1e-5;
  return (f(x + h) - f(x - h)) / (2 * h);
}

using Adapted = LlamaTied::Adapted;
/// The base with an adapter that has not been trained: it is the base.
Trained<Adapted, Cpu<>> fresh() {
  Trained<Adapted, Cpu<>> model(seed{3}, 2);
  load_base(model, SafeTensors(folder_of("llama_tied")));
  freeze_base(model);
  return model;
}

std::vector<PreferenceExample> examples_of(SafeTensors const& file, bool single) {
  std::vector<PreferenceExample> all;
  for (int i = 0; file.find(std::to_string(i) + ".prompt") != nullptr; ++i) {
    const auto ids = [&](const char* answer) {
      std::vector<int> row;
      for (const char* part : {"prompt", answer}) {
        SafeTensor const* t = file.find(std::to_string(i) + '.' + part);
        const int* values = reinterpret_cast<const int*>(t->data);
        for (std::size_t k = 0; k < t->elements(); ++k) row.push_back(part == answer ? values[k] : ~values[k]);
      }
      return row;
    };
    if (single) all.push_back({ids("chosen"), {}, i % 2 == 0});
    else all.push_back({ids("chosen"), ids("rejected")});
  }
  return all;
}

}  // namespace

TEST_SUITE("preference") {
  TEST_CASE("losses by hand") {
    CHECK(sigmoid(-800) == 0);
    CHECK(sigmoid(800) == 1);
    CHECK(log_sigmoid(-800) == -800);
    CHECK(log_sigmoid(0) == doctest::Approx(-std::log(2.0)));
    CHECK(log1mexp(-1e-12) == doctest::Approx(std::log(1e-12)));
    CHECK(log1mexp(-40) == doctest::Approx(-std::exp(-40.0)));
    // As training begins the loss is ln 2, and each answer is moved by half of β.
    const PairLoss start = dpo_loss(0, 0, 0.1);
    CHECK(start.loss == doctest::Approx(std::log(2.0)));
    CHECK(start.by_chosen == doctest::Approx(-0.05));
    CHECK(start.by_rejected == doctest::Approx(0.05));
    CHECK(dpo_loss(1.5, -2, 0.5).loss == doctest::Approx(std::log1p(std::exp(-1.75))));
    CHECK(dpo_loss(1.5, -2, 0.5).margin == doctest::Approx(1.75));
    CHECK(dpo_loss(3, 1, 1, 0.25).loss ==
          doctest::Approx(0.75 * std::log1p(std::exp(-2.0)) + 0.25 * std::log1p(std::exp(2.0))));
    // p = 1/2 has odds 1, p = 1/4 has 1/3: the ratio is 3, whose σ(log) is 3/4.
    const PairLoss odds = orpo_loss(std::log(0.5), std::log(0.25), 0.2);
    CHECK(odds.margin == doctest::Approx(std::log(3.0)));
    CHECK(odds.loss == doctest::Approx(std::log(2.0) - 0.2 * std::log(0.75)));
    CHECK(odds.by_chosen == doctest::Approx(-1 - 0.2 * 0.25 * 2));     // 1 / (1 - 1/2)
    CHECK(odds.by_rejected == doctest::Approx(0.2 * 0.25 * 4.0 / 3));  // 1 / (1 - 1/4)
    CHECK(kto_loss(true, 2, 2, 0.1, 1.5).loss == doctest::Approx(0.75));
    CHECK(kto_loss(true, 2, 2, 0.1, 1.5).by == doctest::Approx(-1.5 * 0.1 / 4));
    CHECK(kto_loss(false, 3, 1, 0.5).loss == doctest::Approx(1 - 1 / (1 + std::exp(1.0))));
    CHECK(kto_loss(false, 3, 1, 0.5).by > 0);
  }

  TEST_CASE("derivatives are those of the losses") {
    for (const double w : {-6.0, -1.3, -0.01})
      for (const double l : {-4.0, -0.7, -0.02}) {
        for (const double e : {0.0, 0.2}) {
          const PairLoss d = dpo_loss(w, l, 0.7, e);
          CHECK(d.by_chosen == doctest::Approx(slope([&](double x) { return dpo_loss(x, l, 0.7, e).loss; }, w)));
          CHECK(d.by_rejected == doctest::Approx(slope([&](double x) { return dpo_loss(w, x, 0.7, e).loss; }, l)));
        }
        const PairLoss o = orpo_loss(w, l, 0.7);
        CHECK(o.by_chosen ==
              doctest::Approx(slope([&](double x) { return orpo_loss(x, l, 0.7).loss; }, w)).epsilon(1e-4));
        CHECK(o.by_rejected ==
              doctest::Approx(slope([&](double x) { return orpo_loss(w, x, 0.7).loss; }, l)).epsilon(1e-4));
        for (const bool good : {true, false})
          CHECK(kto_loss(good, w, l, 0.7, 1.3).by ==
                doctest::Approx(slope([&](double x) { return kto_loss(good, x, l, 0.7, 1.3).loss; }, w)));
      }
  }

  TEST_CASE("losses and gradients of a model with an adapter are PyTorch's") {
    const SafeTensors want(source_path("tests/golden/preference.safetensors"));
    for (const preference rule : {preference::dpo, preference::orpo, preference::kto}) {
      const std::string name = rule == preference::dpo ? "dpo" : rule == preference::orpo ? "orpo" : "kto";
      CAPTURE(name);
      auto model = fresh();
      const auto examples = examples_of(want, rule == preference::kto);
      PreferenceTrainer<decltype(model)> run(
          model, examples, examples.size(),
          {.rule = rule, .beta = 0.3, .smoothing = 0.1, .desirable = 1.25, .undesirable = 0.75});
      load_adapter<Adapted>(Cpu<>{}, model.weights(), Adapter(adapter_folder("llama_tied")));
      const auto seen = run.accumulate({0, 1, 2, 3});
      CHECK(seen.loss == doctest::Approx(static_cast<double>(floats(want.find(name + ".loss"))[0])).epsilon(1e-5));
      const TemporaryFolder place;
      save_adapter<Adapted>(place / "gradients", model.gradients(), "");
      const SafeTensors gradients(place / "gradients/adapter_model.safetensors");
      REQUIRE(gradients.tensors().size() > 0);
      for (auto const& t : gradients.tensors()) {
        CAPTURE(t.name);
        CHECK(gap_of(floats(&t), floats(want.find(name + ".grad." + t.name))).close());
      }
    }
  }

  TEST_CASE("training moves the better answers ahead, from ln 2 on") {
    const SafeTensors file(source_path("tests/golden/preference.safetensors"));
    for (const preference rule : {preference::dpo, preference::orpo, preference::kto}) {
      CAPTURE(static_cast<int>(rule));
      auto model = fresh();
      auto examples = examples_of(file, rule == preference::kto);
      PreferenceTrainer<decltype(model)> run(
          model, examples, examples.size(),
          {.rule = rule, .beta = 0.3, .batch = 4, .adamw = {.beta2 = 0.999, .decay = 0}});
      const auto before = run.evaluate(0, 4);
      if (rule == preference::dpo) CHECK(before.loss == doctest::Approx(std::log(2.0)).epsilon(1e-9));
      if (rule == preference::kto) CHECK(before.loss == doctest::Approx(0.5).epsilon(1e-9));
      for (std::uint64_t i = 0; i < 30; ++i) run.step(i, 2e-2);
      const auto after = run.evaluate(0, 4);
      CAPTURE(after.loss);
      CHECK(after.loss < 0.8 * before.loss);
      CHECK(after.right == doctest::Approx(1));
      CHECK(after.margin > before.margin + 0.5);
    }
  }
}

}  // namespace test_preference
