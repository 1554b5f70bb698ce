// Training on rewards: advantages and losses by hand, against differences, against PyTorch on a model with an adapter;
// and a model that learns what is rewarded.
#include <doctest/doctest.h>

#include <cmath>
#include <string>
#include <vector>

#include <fauna/ops/cpu.hpp>
#include <fauna/train/grpo.hpp>

#include "../support/adapters.hpp"

namespace test_grpo {

using namespace test;

namespace {

using Adapted = LlamaTied::Adapted;
/// The base with an adapter that has not been trained: it is the base.
Trained<Adapted, Cpu<>> fresh() {
  Trained<Adapted, Cpu<>> model(seed{3}, 2);
  load_base(model, SafeTensors(folder_of("llama_tied")));
  freeze_base(model);
  return model;
}

std::vector<int> ids_of(SafeTensors const& file, std::string const& name) {
  SafeTensor const* t = file.find(name);
  const int* values = reinterpret_cast<const int*>(t->data);
  return {values, values + t->elements()};
}

}  // namespace

TEST_SUITE("grpo") {
  TEST_CASE("advantages and losses by hand") {
    // Deviation 1, of three less one.
    const auto a = group_advantages({1, 2, 3});
    CHECK(a[0] == doctest::Approx(-1 / 1.0001));
    CHECK(a[1] == doctest::Approx(0));
    CHECK(a[2] == doctest::Approx(1 / 1.0001));
    for (const double equal : group_advantages({5, 5, 5, 5})) CHECK(equal == 0);

    // The model that drew: a ratio of 1, and no divergence.
    const TokenLoss start = grpo_loss(-1, -1, -1, 0.5, 0.2, 0.1);
    CHECK(start.loss == -0.5);
    CHECK(start.by == -0.5);
    CHECK(start.divergence == 0);
    // Twice as likely as at the draw: a good answer has come as far as it should, a bad one is pushed back.
    const double twice = std::log(2.0);
    CHECK(grpo_loss(twice, 0, 0, 1, 0.2, 0).loss == doctest::Approx(-1.2));
    CHECK(grpo_loss(twice, 0, 0, 1, 0.2, 0).by == 0);
    CHECK(grpo_loss(twice, 0, 0, -1, 0.2, 0).loss == doctest::Approx(2));
    CHECK(grpo_loss(twice, 0, 0, -1, 0.2, 0).by == doctest::Approx(2));
    // Half as likely: the other way round.
    CHECK(grpo_loss(-twice, 0, 0, 1, 0.2, 0).by == doctest::Approx(-0.5));
    CHECK(grpo_loss(-twice, 0, 0, -1, 0.2, 0).loss == doctest::Approx(0.8));
    CHECK(grpo_loss(-twice, 0, 0, -1, 0.2, 0).by == 0);
    // e^ln2 - ln2 - 1 where the reference has it twice as likely.
    CHECK(grpo_loss(-twice, -twice, 0, 0, 0.2, 0.5).loss == doctest::Approx(0.5 * (1 - twice)));
    CHECK(grpo_loss(-twice, -twice, 0, 0, 0.2, 0.5).by == doctest::Approx(-0.5));
  }

  TEST_CASE("a token's derivative is that of its loss") {
    constexpr double h = 1e-6;
    for (const double log_p : {-3.0, -1.05, -0.2})
      for (const double advantage : {-0.7, 1.3})
        for (const double beta : {0.0, 0.4}) {
          const auto loss = [&](double x) { return grpo_loss(x, -1, -1.5, advantage, 0.2, beta).loss; };
          CHECK(grpo_loss(log_p, -1, -1.5, advantage, 0.2, beta).by ==
                doctest::Approx((loss(log_p + h) - loss(log_p - h)) / (2 * h)).epsilon(1e-5));
        }
  }

  TEST_CASE("loss and gradients of a model with an adapter are PyTorch's") {
    const SafeTensors want(source_path("tests/golden/preference.safetensors"));
    auto model = fresh();
    std::vector<std::vector<int>> prompts;
    DrawnAnswers answers;
    std::vector<double> advantages;
    const auto rewards = floats(want.find("grpo.rewards"));
    for (std::size_t i = 0; i < 4; ++i) {
      prompts.push_back(ids_of(want, std::to_string(i) + ".prompt"));
      for (const char* which : {".chosen", ".rejected"}) {
        answers.of.push_back(i);
        answers.ids.push_back(ids_of(want, std::to_string(i) + which));
      }
      for (const double a : group_advantages({rewards[2 * i], rewards[2 * i + 1]})) advantages.push_back(a);
    }
    GrpoTrainer run(model, prompts, {.group = 2, .tokens = 12, .beta = 0.3});
    const auto old = run.log_p(answers);
    load_adapter<Adapted>(Cpu<>{}, model.weights(), Adapter(adapter_folder("llama_tied")));
    const auto seen = run.accumulate(answers, advantages, old, old);
    CHECK(seen.loss == doctest::Approx(static_cast<double>(floats(want.find("grpo.loss"))[0])).epsilon(1e-5));
    const TemporaryFolder place;
    save_adapter<Adapted>(place / "gradients", model.gradients(), "");
    const SafeTensors gradients(place / "gradients/adapter_model.safetensors");
    REQUIRE(gradients.tensors().size() > 0);
    for (auto const& t : gradients.tensors()) {
      CAPTURE(t.name);
      CHECK(gap_of(floats(&t), floats(want.find("grpo.grad." + t.name))).close());
    }
  }

  TEST_CASE("what is rewarded becomes likelier; equal rewards change nothing") {
    auto model = fresh();
    GrpoTrainer run(model, {{1, 2, 3}, {4}},
                    {.prompts = 2,
                     .group = 8,
                     .tokens = 6,
                     .updates = 2,
                     .beta = 0.01,
                     .stop_ids = {28},
                     .adamw = {.beta2 = 0.999, .decay = 0}});
    CHECK(run.draw(7).ids == run.draw(7).ids);
    CHECK(run.draw(7).ids != run.draw(8).ids);
    const auto before = run.log_p(run.draw(0));
    run.step(0, 1e-2, [](DrawnAnswers const& a) { return std::vector<double>(a.ids.size(), 2.5); });
    CHECK(run.log_p(run.draw(0)) == before);
    // The share of tokens below 10.
    const auto small = [](DrawnAnswers const& a) {
      std::vector<double> all;
      for (auto const& ids : a.ids) {
        double n = 0;
        for (const int id : ids) n += id < 10 ? 1 : 0;
        all.push_back(n / static_cast<double>(ids.size()));
      }
      return all;
    };
    double first = 0, last = 0;
    for (std::uint64_t i = 0; i < 40; ++i) {
      const auto seen = run.step(i, 1e-2, small);
      (i < 5 ? first : last) += i < 5 || i >= 35 ? seen.reward / 5 : 0;
      CHECK(seen.length <= 6);
    }
    CAPTURE(first);
    CHECK(last > first + 0.3);
    CHECK_THROWS_WITH_AS(run.step(0, 1e-2, [](DrawnAnswers const&) { return std::vector<double>{1}; }),
                         doctest::Contains("1 rewards of 16 answers"), error);
    CHECK_THROWS_WITH_AS(GrpoTrainer(model, {{1}}, {.group = 1}), doctest::Contains("groups of 1"), error);
  }
}

}  // namespace test_grpo
