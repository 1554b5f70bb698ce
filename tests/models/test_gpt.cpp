// GPT on the CPU policy: PyTorch's numbers over ten steps; freezing; the table of positions.
#include <doctest/doctest.h>

#include <cstring>
#include <string>
#include <vector>

#include <fauna/ops/cpu.hpp>
#include <fauna/train/trained.hpp>

#include "../support/golden.hpp"
#include "gpt.hpp"

namespace test_gpt {

namespace {

using namespace fauna;
using test::difference, test::Tiny;

template <class M, class B> void set_weights(Trained<M, B>& m, Golden const& g, std::string const& prefix) {
  for (Parameter const& p : m.parameters()) {
    const auto v = g.floats(prefix + p.name);
    REQUIRE(v.size() == p.size());
    for (std::size_t i = 0; i < v.size(); ++i) m.value(p).data()[i] = static_cast<typename B::scalar>(v[i]);
  }
}

template <bool Bias> void check_parity(const char* file) {
  const Golden g(file);
  Trained<Tiny<Bias>, Cpu<f32_products>> m(seed{1}, 2);
  set_weights(m, g, "weight.");
  const int sequences = static_cast<int>(g.number("batch")), length = static_cast<int>(g.number("context"));
  const auto tokens = g.ints("tokens"), targets = g.ints("targets");
  const Batch b = Batch::uniform(sequences, length, tokens.data(), targets.data());
  m.prepare_training({.sequences = sequences, .length = length});

  // 1e-4 of the largest reference value, tensor by tensor: f32 sums in another order.
  const double bound = 1e-4;
  std::vector<float> logits(static_cast<std::size_t>(b.rows) * 11, std::nanf(""));
  m.logits(b, logit_rows::all, Matrix<float>(logits.data(), b.rows, 11));
  CHECK(difference(Matrix<const float>(logits.data(), b.rows, 11), g.floats("logits")) <= bound);
  CHECK(m.accumulate(b) == doctest::Approx(g.floats("loss")[0]).epsilon(1e-6));
  for (Parameter const& p : m.parameters()) {
    CAPTURE(p.name);
    CHECK(difference(m.gradient(p), g.floats("grad." + p.name)) <= bound);
  }
  m.clear_gradients();
  const auto losses = g.floats("step_losses"), norms = g.floats("step_grad_norms");
  const AdamWOptions o{.lr = g.number("lr"),
                       .beta1 = g.number("beta1"),
                       .beta2 = g.number("beta2"),
                       .eps = g.number("eps"),
                       .decay = g.number("weight_decay"),
                       .clip = g.number("clip")};
  for (std::size_t i = 0; i < norms.size(); ++i) {
    CHECK(m.accumulate(b) == doctest::Approx(losses[i]).epsilon(1e-5));
    CHECK(m.update(o).gradient_norm == doctest::Approx(norms[i]).epsilon(1e-4));
  }
  for (Parameter const& p : m.parameters()) {
    CAPTURE(p.name);
    // A bias of the keys moves all scores of a row alike, so its true gradient is zero; what Adam makes of the rounding
    // that is left, divided by its own size, is noise in PyTorch as it is here.
    const bool keys = matches("*c_attn.bias", p.name);
    CHECK(difference(m.value(p), g.floats("trained." + p.name), keys ? 16 : 0, keys ? 32 : 0) <= bound);
  }
}

}  // namespace

TEST_SUITE("gpt") {
  TEST_CASE("PyTorch's logits, loss, gradients and ten AdamW steps") {
    SUBCASE("with biases") { check_parity<true>("gpt_tiny.bin"); }
    SUBCASE("without") { check_parity<false>("gpt_tiny_nobias.bin"); }
  }

  TEST_CASE("frozen tensors stay, the others learn") {
    Trained<Tiny<true>, Cpu<f32_products>> m(seed{2}, 1);
    CHECK(m.freeze("transformer.h.0.*") == 12);
    CHECK_THROWS_WITH_AS(m.freeze("transformer.x.*"), doctest::Contains("no tensor matches transformer.x.*"), error);
    const int tokens[] = {1, 5, 2, 8, 3, 9, 10, 4}, targets[] = {5, 2, 8, 3, 9, 10, 4, 0};
    m.prepare_training({.sequences = 1, .length = 8});
    std::vector<float> before;
    for (Parameter const& p : m.parameters())
      before.insert(before.end(), m.value(p).data(), m.value(p).data() + p.size());
    m.accumulate(Batch::uniform(1, 8, tokens, targets));
    m.update({});
    std::size_t i = 0;
    for (Parameter const& p : m.parameters()) {
      const bool same = std::memcmp(m.value(p).data(), &before[i], p.size() * sizeof(float)) == 0;
      CAPTURE(p.name);
      CHECK(same == matches("transformer.h.0.*", p.name));
      i += p.size();
    }
  }

  TEST_CASE("a context longer than the table of positions is an error that says so") {
    Trained<Tiny<true>, Cpu<f32_products>> m(seed{2}, 1);
    const int tokens[9]{};
    std::vector<float> logits(9 * 11);
    m.prepare_inference({.sequences = 1, .length = 9});
    CHECK_THROWS_WITH_AS(m.logits(Batch::uniform(1, 9, tokens), logit_rows::all, Matrix<float>(logits.data(), 9, 11)),
                         doctest::Contains("[transformer.wpe] position 8, expected 0 to 7"), error);
  }
}

}  // namespace test_gpt
