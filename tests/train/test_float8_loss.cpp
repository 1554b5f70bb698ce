// Training with linear layers in eight bits: the loss falls as in f32.
#include <doctest/doctest.h>

#include <cmath>

#include "../support/runs.hpp"

namespace test_float8_loss {

using namespace fauna;

namespace {

using Model = Gpt<GptConfig{.layers = 2, .heads = 2, .width = 32, .context = 16, .vocab = 27, .bias = true}>;
template <class P> using On = Trained<Model, Cpu<P>>;

template <class P> double loss_after(int updates) {
  On<P> m(seed{3}, 1);
  TrainOptions o = test::short_run();
  o.steps = updates;
  o.adamw.lr = 3e-3;  // gently: where the text is learnt by heart, any change of a bit grows
  o.batch = 8;
  o.accumulation = 1;
  o.eval_interval = 0;
  o.log_interval = 0;
  train(m, test::both(), o);
  return evaluate(m, test::both().train, 16, 4);
}

}  // namespace

TEST_CASE_TEMPLATE("float8: a short run's loss is within 1 % of that in f32", P, float8_products,
                   float8_rowwise_products, mxfp8_products) {
  const int updates = 60;
  const double exact = loss_after<f32_products>(updates), got = loss_after<P>(updates);
  CAPTURE(exact);
  CAPTURE(got);
  CHECK(exact < std::log(27.0) - 0.3);
  CHECK(std::fabs(got / exact - 1) < 0.01);
}

}  // namespace test_float8_loss
