// An update of several batches: its loss is the mean over the targets that count in all of them.
#include <doctest/doctest.h>

#include <cmath>
#include <vector>

#include <fauna/models/gpt.hpp>
#include <fauna/ops/ref.hpp>
#include <fauna/train/train.hpp>

namespace test_accumulation {

using namespace fauna;

namespace {

constexpr int vocab = 11, length = 9, context = length - 1;
using Exact = Trained<Gpt<GptConfig{.layers = 1, .heads = 2, .width = 8, .context = 16, .vocab = vocab}>, Ref<double>>;

/// Examples of 1 to 6 targets each.
std::vector<int> examples() {
  std::vector<int> ids;
  for (int e = 0; e < 12; ++e)
    for (int i = 0; i < length; ++i) {
      const int id = (5 * e + 3 * i * i + i) % vocab;
      ids.push_back(i > 1 + e % 6 ? ~0 : i < 1 ? ~id : id);
    }
  return ids;
}

}  // namespace

TEST_CASE("gradient accumulation: batches weigh by their counted targets, as one batch of all of them") {
  const std::vector<int> ids = examples();
  const Tokens text = Tokens(ids.data(), ids.size(), vocab).in_examples(length);
  for (const int batch : {1, 2, 3}) {
    CAPTURE(batch);
    TrainOptions o;
    o.batch = batch;
    o.accumulation = 6 / batch;
    o.context = context;
    o.adamw.clip = 0;
    o.eval_interval = 0;
    Exact model(seed{3}), whole(seed{3});
    Trainer trainer(model, Split{text, text}, o);

    const Key key = Key{whole.seed_value(), 0}.child(0x62617463);
    BatchMemory all(6, context), drawn(batch, context);
    int counted = 0, fewest = length, most = 0;
    for (int b = 0; b < o.accumulation; ++b) {
      drawn.draw(text, key, static_cast<std::uint64_t>(b));
      int of_batch = 0;
      for (std::size_t r = 0; r < drawn.rows(); ++r) {
        const std::size_t at = static_cast<std::size_t>(b) * drawn.rows() + r;
        all.tokens[at] = drawn.tokens[r];
        all.targets[at] = drawn.targets[r];
        of_batch += drawn.targets[r] != no_target;
      }
      counted += of_batch;
      fewest = of_batch < fewest ? of_batch : fewest;
      most = of_batch > most ? of_batch : most;
    }
    CHECK(fewest < most);  // or the mean of the batches would be the same
    whole.prepare_training({.sequences = 6, .length = context});
    const double loss = whole.accumulate(all.batch());
    double squares = 0;
    for (auto const& p : whole.parameters())
      for (std::size_t i = 0; i < p.size(); ++i) squares += whole.gradient(p).data()[i] * whole.gradient(p).data()[i];

    const auto step = trainer.step();
    CHECK(step.loss == doctest::Approx(loss).epsilon(1e-13));
    CHECK(step.gradient_norm == doctest::Approx(std::sqrt(squares)).epsilon(1e-12));
    CHECK(counted < 6 * context);
  }
}

}  // namespace test_accumulation
