// One model through a compiler's host pass, on the reference policy: also what nvcc has to accept.
#include <doctest/doctest.h>

#include <cmath>

#include <fauna/models/gpt.hpp>
#include <fauna/ops/ref.hpp>
#include <fauna/train/trained.hpp>

namespace test_gpt_host {

TEST_SUITE("gpt_host") {
  TEST_CASE("a GPT learns three tokens") {
    using namespace fauna;
    using M = Gpt<GptConfig{.layers = 1, .heads = 2, .width = 8, .context = 4, .vocab = 3}>;
    Trained<M, Ref<double>> m(seed{1});
    const int tokens[] = {0, 1, 2, 0}, targets[] = {1, 2, 0, 1};
    const Batch b = Batch::uniform(1, 4, tokens, targets);
    m.prepare_training({.sequences = 1, .length = 4});
    CHECK(m.accumulate(b) == doctest::Approx(std::log(3.0)).epsilon(0.05));
    for (int i = 0; i < 100; ++i) {
      m.update({.lr = 1e-2, .decay = 0});
      m.accumulate(b);
    }
    m.clear_gradients();
    CHECK(m.accumulate(b) < 0.1);
  }
}

}  // namespace test_gpt_host
