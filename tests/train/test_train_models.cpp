// The training loop with models without dropout: what a step computes.
#include <doctest/doctest.h>

#include "../support/runs.hpp"
#include "../support/temporary.hpp"

namespace test_train_models {

using namespace fauna;
using test::count, test::short_run;

namespace {
using Plain = Trained<Gpt<GptConfig{.layers = 2, .heads = 2, .width = 32, .context = 12, .vocab = 27}>, Cpu<>>;
}

TEST_CASE("the gradient of accumulated batches is that of one batch of them all") {
  // The same windows either way: a text with room for one only.
  const CharText one = CharText::from_string(test::letters(27));
  const Tokens t = one.tokens().part(0, 13, "train");
  Plain a(seed{3}), b(seed{3});
  TrainOptions o = short_run();
  o.eval_interval = 0;
  o.batch = 1;
  o.accumulation = 4;
  Trainer<Plain> four(a, {t, t}, o);
  o.batch = 4;
  o.accumulation = 1;
  Trainer<Plain> whole(b, {t, t}, o);
  const auto x = four.step(), y = whole.step();
  CHECK(x.loss == doctest::Approx(y.loss).epsilon(1e-6));  // f32 sums in another order
  CHECK(x.gradient_norm == doctest::Approx(y.gradient_norm).epsilon(1e-5));
}

TEST_CASE("one batch is learnt by heart") {
  const CharText one = CharText::from_string(test::letters(27));
  Plain model(seed{3});
  const Tokens t = one.tokens().part(0, 13, "train");
  TrainOptions o = short_run();
  o.steps = 150;
  o.batch = 1;
  o.eval_interval = 0;
  const TrainReport r = train(model, fauna::Split{t, t}, o);
  CHECK(r.loss < 0.02);
}

TEST_CASE("a parameter without a gradient is named") {
  // One character: its probability is 1 whatever the weights, so nothing has a gradient.
  using One = Trained<Gpt<GptConfig{.layers = 1, .heads = 1, .width = 8, .context = 4, .vocab = 1}>, Cpu<>>;
  One model(seed{3});
  TrainOptions o = short_run();
  test::Captured captured;
  o.print = captured.file();
  train(model, CharText::from_string(std::string(200, 'a')), o);
  const std::string said = captured.text();
  CHECK(count(said, "note: transformer.wte.weight received no gradient at step 0") == 1);
  CHECK(count(said, "note: ") == 1);
}

}  // namespace test_train_models
