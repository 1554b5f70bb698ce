// GPT: without biases, and with dropout, as the golden folder is not.
#include <doctest/doctest.h>

#include <vector>

#include <fauna/ops/cpu.hpp>
#include <fauna/ops/ref.hpp>
#include <fauna/train/trained.hpp>

#include "../support/model_check.hpp"
#include "gpt.hpp"

namespace test_gpt_gradients {

using namespace fauna;
using test::difference, test::Tiny;

TEST_SUITE("gpt gradients") {
  TEST_CASE("the loss's gradient equals the derivative of dual numbers") {
    test::check_loss_gradient<Tiny<false>>(test::plain(2, 5));
    test::check_loss_gradient<Tiny<false>>(test::ragged());
  }

  TEST_CASE_TEMPLATE("the CPU policy gives the reference policy's gradients", P, f32_products, bf16_products) {
    using M = Gpt<GptConfig{.layers = 2, .heads = 3, .width = 48, .context = 24, .vocab = 61, .dropout = 0.1F}>;
    Trained<M, Cpu<P>> m(seed{5}, 2);
    Trained<M, Ref<double>> r(seed{5});
    std::vector<int> tokens(2 * 24), targets(2 * 24);
    for (std::size_t i = 0; i < tokens.size(); ++i) {
      tokens[i] = static_cast<int>(i * i % 61);
      targets[i] = i % 9 == 4 ? -1 : static_cast<int>((i * i + 3) % 61);
    }
    const Batch b = Batch::uniform(2, 24, tokens.data(), targets.data());
    m.prepare_training({.sequences = 2, .length = 24});
    r.prepare_training({.sequences = 2, .length = 24});
    const Key key{11, 4};
    // f32: sums of at most a few hundred terms, reordered. bf16: operands of every product lose 16 bits, 2^-9 each.
    const double bound = std::is_same_v<P, f32_products> ? 2e-5 : 3e-2;
    CHECK(m.accumulate(b, 1, key) == doctest::Approx(r.accumulate(b, 1, key)).epsilon(bound));
    for (std::size_t i = 0; i < m.parameters().size(); ++i) {
      Parameter const& p = m.parameters()[i];
      CAPTURE(p.name);
      std::vector<float> want(r.gradient(p).data(), r.gradient(p).data() + p.size());
      CHECK(difference(m.gradient(p), want) <= bound);
    }
  }
}

}  // namespace test_gpt_gradients
