// Training with Muon: which tensors it has, that a run goes on to the bit, that accumulated batches are one batch.
#include <doctest/doctest.h>

#include <cmath>
#include <vector>

#include <fauna/ops/ref.hpp>

#include "../support/runs.hpp"
#include "../support/temporary.hpp"

namespace test_muon {

using namespace fauna;
using doctest::Contains;
using test::Small;

namespace {

TrainOptions with_muon(std::string const& out = {}) {
  TrainOptions o = test::short_run(out);
  o.muon = MuonOptions{};
  return o;
}

template <class T> std::vector<typename T::scalar> values_of(T const& m, Parameter const& p) {
  return {m.value(p).data(), m.value(p).data() + p.size()};
}

/// One update from the same weights and gradients.
template <class T> void one_update(T& m, const MuonOptions* muon) {
  m.prepare_training({.sequences = 2, .length = 6});
  if (muon != nullptr) m.use_muon(*muon);
  BatchMemory batch(2, 6);
  batch.draw(test::both().train, Key{1, 2}, 0);
  m.accumulate(batch.batch());
  m.update(AdamWOptions{.lr = 1e-2});
}

}  // namespace

TEST_SUITE("muon") {
  TEST_CASE("matrices of layers are Muon's, queries, keys and values apart; the rest is AdamW's") {
    using Double = Trained<test::SmallGpt, Ref<double>>;
    Double adamw(seed{3}), both(seed{3}), untouched(seed{3});
    const MuonOptions o{.rate = 2, .momentum = 0.9};
    for (Double* m : {&adamw, &both, &untouched}) m->scale_rate("*.mlp.*", 0.5F);  // counts once
    one_update(adamw, nullptr);
    one_update(both, &o);
    int matrices = 0;
    untouched.prepare_training({.sequences = 2, .length = 6});
    BatchMemory batch(2, 6);
    batch.draw(test::both().train, Key{1, 2}, 0);
    untouched.accumulate(batch.batch());
    const double scale = clip_coefficient(1, untouched.norm().gradient_norm);
    for (std::size_t i = 0; i < both.parameters().size(); ++i) {
      Parameter const& p = both.parameters()[i];
      CAPTURE(p.name);
      const bool in_layer = p.name.find(".h.") != std::string::npos, matrix = p.rank == 2;
      CHECK((p.matrices > 0) == (in_layer && matrix));
      CHECK(p.matrices == (!(in_layer && matrix) ? 0 : p.name.find("c_attn") == std::string::npos ? 1 : 3));
      for (std::size_t k = 0; k < p.size(); ++k) REQUIRE(both.gradient(p).data()[k] == 0);
      if (p.matrices == 0) {
        CHECK(values_of(both, p) == values_of(adamw, p));
        continue;
      }
      ++matrices;
      Segment<double> s = untouched.segments()[i];
      s.decay = 0.1F;
      muon<Ref<double>>::step({}, s, {p.rows / p.matrices, p.cols, p.matrices},
                              {.lr = 2e-2, .momentum = 0.9, .gradient_scale = scale});
      CHECK(values_of(both, p) == values_of(untouched, p));
      for (std::size_t k = 0; k < p.size(); ++k) REQUIRE(both.moment(p, 1).data()[k] == 0);
    }
    CHECK(matrices == 8);
  }

  TEST_CASE("a run that is stopped and resumed leaves the same bytes, and the loss falls") {
    TemporaryFolder once, twice;
    Small model(seed{3});
    const TrainReport r = train(model, test::text(), with_muon(once / "run"));
    CHECK(r.loss < std::log(27.0) - 0.3);
    {
      Small stopped(seed{3});
      Trainer<Small> run(stopped, test::both(), with_muon(), test::text().alphabet());
      for (int i = 0; i < 5; ++i) run.step();
      run.save(twice / "half.safetensors");
    }
    Small resumed(seed{3});
    TrainOptions o = with_muon();
    o.resume = twice / "half.safetensors";
    Trainer<Small> run(resumed, test::both(), o, test::text().alphabet());
    while (!run.finished()) run.step();
    for (Parameter const& p : model.parameters()) {
      CAPTURE(p.name);
      CHECK(values_of(model, p) == values_of(resumed, p));
    }
    o.muon.reset();
    Small other(seed{3});
    CHECK_THROWS_WITH_AS(Trainer<Small>(other, test::both(), o, test::text().alphabet()),
                         Contains("is of a run with muon, expected adamw"), error);
  }

  TEST_CASE("the same bits for any number of threads") {
    TemporaryFolder folder;
    const auto bytes = [&](int threads) {
      Small model(seed{3}, threads);
      const std::string out = folder / std::to_string(threads);
      train(model, test::text(), with_muon(out));
      return test::last_of(out);
    };
    const std::string one = bytes(1);
    for (int threads : {2, 3}) CHECK(bytes(threads) == one);
  }

  TEST_CASE("two batches of an update are one of both, in double") {
    using Plain = Trained<Gpt<GptConfig{.layers = 1, .heads = 2, .width = 8, .context = 6, .vocab = 27, .bias = true}>,
                          Ref<double>>;
    const auto after = [](int batch, int accumulation) {
      Plain model(seed{3});
      TrainOptions o = with_muon();
      o.batch = batch;
      o.accumulation = accumulation;
      Trainer<Plain> run(model, test::both(), o);
      // The windows of update 0: draws of two batches of 2 are not those of one of 4, so the gradients are added here.
      BatchMemory all(4, 6);
      all.draw(test::both().train, Key{1, 2}, 0);
      for (int at = 0; at < 4; at += batch)
        model.accumulate(Batch::uniform(batch, 6, all.tokens.data() + at * 6, all.targets.data() + at * 6),
                         batch / 4.0);
      model.update(AdamWOptions{});
      std::vector<double> values;
      for (Parameter const& p : model.parameters())
        values.insert(values.end(), model.value(p).data(), model.value(p).data() + p.size());
      return values;
    };
    const auto one = after(4, 1), two = after(2, 2);
    double worst = 0;
    for (std::size_t i = 0; i < one.size(); ++i) worst = std::fmax(worst, std::fabs(one[i] - two[i]));
    CHECK(worst < 1e-9);  // AdamW's, of gradients near its eps; those of Muon are below 1e-12
  }

  TEST_CASE("numbers that are none are refused") {
    Small model(seed{3});
    CHECK_THROWS_WITH_AS(model.use_muon({.momentum = 1}), Contains("a momentum in [0, 1)"), error);
    CHECK_THROWS_WITH_AS(model.use_muon({.rate = std::nan("")}), Contains("a rate of 0 or more"), error);
  }
}

}  // namespace test_muon
