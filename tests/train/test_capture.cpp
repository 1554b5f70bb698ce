#include <doctest/doctest.h>

#include <fauna/models/gpt.hpp>
#include <fauna/ops/ref.hpp>
#include <fauna/train/capture.hpp>

namespace test_capture {

using namespace fauna;

TEST_SUITE("capture") {
  TEST_CASE("named activations and gradients of a pass") {
    using M = Gpt<GptConfig{.layers = 2, .heads = 2, .width = 8, .context = 4, .vocab = 5}>;
    Trained<M, Ref<double>> m(seed{1});
    m.prepare_training({.sequences = 1, .length = 4});
    const int tokens[] = {0, 1, 2, 3}, targets[] = {1, 2, 3, 4};
    const Batch b = Batch::uniform(1, 4, tokens, targets);

    Capture<double> seen("transformer.h.*.attn", "transformer.ln_f", "transformer.wte");
    m.accumulate(b, 1, {}, seen.tap());
    CHECK(seen.all().size() == 8);  // four names, each with its gradient
    CHECK(seen.activation("transformer.h.1.attn").cols == 8);
    CHECK(seen.gradient("transformer.h.1.attn").rows == 4);
    CHECK_THROWS_WITH_AS(seen.activation("transformer.h.7.attn"), doctest::Contains("transformer.h.0.attn"), error);

    // The final norm's output is what the head reads: the same numbers as in inference.
    Capture<double> inference("transformer.ln_f");
    std::vector<double> logits(4 * 5);
    m.logits(b, logit_rows::all, Matrix<double>(logits.data(), 4, 5), inference.tap());
    CHECK(inference.activation("transformer.ln_f").data == seen.activation("transformer.ln_f").data);
    double z = 0;
    const auto h = inference.activation("transformer.ln_f").view();
    for (int i = 0; i < 8; ++i) z += h(2, i) * m.value(m.parameter("transformer.wte.weight"))(3, i);
    CHECK(z == doctest::Approx(logits[2 * 5 + 3]).epsilon(1e-14));
  }
}

}  // namespace test_capture
