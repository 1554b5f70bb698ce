// The golden files agree with themselves, so that a failing parity test means the model and not the file or its reader.
#include <doctest/doctest.h>

#include <cmath>

#include "../support/golden.hpp"

namespace test_golden {

namespace {

using Floats = std::vector<float>;

double norm_of_gradients(Golden const& g) {
  double squares = 0;
  for (Golden::Tensor const& t : g.tensors())
    if (t.name.rfind("grad.", 0) == 0)
      for (const float x : g.floats(t.name)) squares += double(x) * double(x);
  return std::sqrt(squares);
}

}  // namespace

TEST_CASE("the loss is that of the logits, the first step that of the gradients") {
  for (const char* name : {"gpt_tiny.bin", "gpt_tiny_nobias.bin"}) {
    CAPTURE(name);
    const Golden g(name);
    const int vocab = static_cast<int>(g.number("vocab"));
    const Floats logits = g.floats("logits");
    const std::vector<int> targets = g.ints("targets");
    REQUIRE(g.tensor("logits").shape == std::vector<int>{3, 8, 11});
    double sum = 0;
    int rows = 0;
    for (std::size_t r = 0; r < targets.size(); ++r) {
      if (targets[r] < 0) continue;
      const float* row = logits.data() + r * static_cast<std::size_t>(vocab);
      double total = 0;
      for (int v = 0; v < vocab; ++v) total += std::exp(double(row[v]));
      sum += std::log(total) - double(row[targets[r]]);
      ++rows;
    }
    CHECK(rows == 22);
    const double loss = sum / rows;  // f32 sums over 11 and 22 terms: a few units of 6e-8
    CHECK(g.floats("loss").at(0) == doctest::Approx(loss).epsilon(1e-6));
    const Floats losses = g.floats("step_losses");
    REQUIRE(losses.size() == 11);
    CHECK(losses[0] == g.floats("loss").at(0));
    CHECK(losses[10] < losses[0]);
    CHECK(g.floats("step_grad_norms").at(0) == doctest::Approx(norm_of_gradients(g)).epsilon(1e-6));
  }
}

TEST_CASE("every weight has its gradient and its trained value, and biases are there only with bias") {
  for (const bool bias : {true, false}) {
    const Golden g(bias ? "gpt_tiny.bin" : "gpt_tiny_nobias.bin");
    CHECK(g.number("bias") == bias);
    int weights = 0;
    for (Golden::Tensor const& t : g.tensors()) {
      if (t.name.rfind("weight.", 0) != 0) continue;
      const std::string name = t.name.substr(7);
      ++weights;
      CHECK(g.tensor("grad." + name).shape == t.shape);
      CHECK(g.tensor("trained." + name).shape == t.shape);
      CHECK(g.floats("trained." + name) != g.floats(t.name));
    }
    CHECK(weights == (bias ? 28 : 15));
  }
}

}  // namespace test_golden
