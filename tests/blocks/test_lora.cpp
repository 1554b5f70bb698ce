// Lora beside a linear layer: gradients, what starts as the base, what training leaves alone, and the first update.
#include <doctest/doctest.h>

#include <cmath>
#include <string>
#include <vector>

#include <fauna/compose/recompute.hpp>
#include <fauna/models/gpt.hpp>
#include <fauna/models/llama.hpp>
#include <fauna/models/lora.hpp>
#include <fauna/ops/cpu.hpp>
#include <fauna/ops/ref.hpp>
#include <fauna/train/adapters.hpp>
#include <fauna/train/trained.hpp>

#include "../support/beside_base.hpp"
#include "../support/gradients.hpp"

namespace test_lora {

namespace {

using namespace fauna;
using test::check, test::W;
using namespace test::beside_base;

using SmallGpt = Gpt<GptConfig{.layers = 2, .heads = 2, .width = 8, .context = 8, .vocab = 11}>;
using SmallLlama = test::beside_base::Base;

/// The base has the plain model's initial values and logits; training moves the adapters, and no bit of the base.
template <class Plain, class Adapted> void check_training(std::size_t adapters) {
  Trained<Plain, Cpu<>> plain(seed{4});
  Trained<Adapted, Cpu<>> model(seed{4});
  freeze_base(model);
  CHECK(values(model, false) == values(plain, true));
  enlarge_base(plain);
  enlarge_base(model);
  CHECK(parameters<Adapted> == parameters<Plain> + adapters);
  CHECK(values(model, false) == values(plain, true));
  CHECK(logits(model) == logits(plain));  // B is zeros
  model.prepare_training({.sequences = 2, .length = 8});
  for (auto const& p : model.parameters()) CHECK(p.trainable == is_adapter(p.name));
  model.accumulate(batch());
  for (auto const& p : model.parameters()) {
    bool zero = true;
    for (std::size_t i = 0; i < p.size(); ++i) zero = zero && model.gradient(p).data()[i] == 0;
    CAPTURE(p.name);
    CHECK(zero != matches("*.lora_B.weight", p.name));  // A's gradient is B times something
  }
  model.clear_gradients();
  check_learning(model, 0.7);
}

}  // namespace

TEST_SUITE("lora") {
  TEST_CASE_TEMPLATE("gradients", Block, Lora<Linear<W, 5>, 2>, Lora<Linear<5, W, false>, 3, LoraScale{2.5}>,
                     Lora<Linear<W, W>, W, LoraScale{0.5}, Rate{0.4F}>, Lora<StoredAs<conv1d, Linear<W, 4>>, 1>,
                     Residual<Lora<Linear<W, W>, 2>>, Recompute<Lora<Linear<W, W>, 2, LoraScale{2}, Rate{0.3F}>>,
                     Dora<Linear<W, 5>, 2, LoraScale{1.5}>,
                     Residual<Dora<StoredAs<conv1d, Linear<W, W, false>>, 3, LoraScale{1}, Rate{0.4F}>>,
                     Concat<Lora<Linear<W, 2>, 2>, Linear<W, 3>>) {
    check<Block>();
  }

  TEST_CASE("the layers that are named, or all linear ones") {
    using One = lora<SmallLlama, LoraConfig{.rank = 2, .on = "v_proj"}>;
    using Two = lora<SmallLlama, LoraConfig{.rank = 2, .on = "q_proj|v_proj"}>;
    using Every = lora<SmallLlama, LoraConfig{.rank = 2}>;
    static_assert(parameters<One> - parameters<SmallLlama> == 2 * 2 * (8 + 4));
    static_assert(parameters<Two> - parameters<SmallLlama> == 2 * 2 * (8 + 4 + 8 + 8));
    static_assert(parameters<Every> - parameters<SmallLlama> == 2 * 2 * (2 * (8 + 8) + 2 * (8 + 4) + 3 * (8 + 12)));
    static_assert(One::config == SmallLlama::config);
    std::vector<std::string> names;
    Two::Weights<fauna::All<float>> w;
    Two::visit(w, Place{}, [&](Tensor const& t, auto&) {
      if (is_adapter(t.name())) names.push_back(t.name());
    });
    REQUIRE(names.size() == 8);
    CHECK(names[0] == "model.layers.0.self_attn.q_proj.lora_A.weight");
    CHECK(names[3] == "model.layers.0.self_attn.v_proj.lora_B.weight");
  }

  TEST_CASE("it starts as the base, which training does not touch") {
    check_training<SmallLlama, lora<SmallLlama, LoraConfig{.rank = 4, .alpha = 8}>>(
        2 * 4 * (2 * (8 + 8) + 2 * (8 + 4) + 3 * (8 + 12)));
    check_training<SmallGpt, lora<SmallGpt, LoraConfig{.rank = 4, .alpha = 8, .on = "c_attn"}>>(2 * 4 * (8 + 24));
  }

  TEST_CASE("A is Kaiming's uniform, B zeros") {
    using Adapted = lora<Llama<LlamaConfig{.layers = 1,
                                           .heads = 2,
                                           .kv_heads = 2,
                                           .head_size = 32,
                                           .width = 64,
                                           .hidden = 96,
                                           .context = 8,
                                           .vocab = 11}>,
                         LoraConfig{.rank = 32, .on = "q_proj"}>;
    const Trained<Adapted, Cpu<>> model(seed{4});
    for (auto const& p : model.parameters()) {
      if (!is_adapter(p.name)) continue;
      const bool a = matches("*lora_A*", p.name);
      double most = 0, squares = 0;
      for (std::size_t i = 0; i < p.size(); ++i) {
        const auto v = static_cast<double>(model.value(p).data()[i]);
        most = std::fmax(most, std::fabs(v));
        squares += v * v;
      }
      CHECK(most <= 1.0 / 8);  // 1/sqrt(64)
      CHECK(most >= (a ? 0.999 / 8 : 0));
      CHECK(squares / static_cast<double>(p.size()) == doctest::Approx(a ? 1.0 / (3 * 64) : 0).epsilon(0.05));
    }
  }

  TEST_CASE("with square orthogonal A, the first update by plain gradient descent is (alpha/r) squared times full") {
    constexpr int n = 12, rows = 7;
    constexpr double scale_ = 1.5, rate = 0.1;
    using Block = Lora<Linear<n, 5, false>, n, LoraScale{scale_}>;
    auto w = test::random_values(test::weight_count<Block>(), 1);  // W [5, n], A [n, n], B [5, n]
    std::vector<float> q(n * n);
    fill(orthogonal(), Filling{.key = Key{1, 2}, .rows = n, .cols = n, .to = n}, q.data());
    // Orthogonal in double: the rows of f32 once more through Gram and Schmidt.
    double* const a = w.data() + 5 * n;
    for (int i = 0; i < n; ++i) {
      double norm = 0;
      for (int k = 0; k < n; ++k) a[i * n + k] = static_cast<double>(q[static_cast<std::size_t>(i * n + k)]);
      for (int j = 0; j < i; ++j) {
        double dot = 0;
        for (int k = 0; k < n; ++k) dot += a[i * n + k] * a[j * n + k];
        for (int k = 0; k < n; ++k) a[i * n + k] -= dot * a[j * n + k];
      }
      for (int k = 0; k < n; ++k) norm += a[i * n + k] * a[i * n + k];
      for (int k = 0; k < n; ++k) a[i * n + k] /= std::sqrt(norm);
    }
    for (int i = 0; i < 5 * n; ++i) w[static_cast<std::size_t>(5 * n + n * n + i)] = 0;
    const auto x = test::random_values(rows * n, 5), dy = test::random_values(rows * 5, 7);
    const Batch b = test::plain(1, rows);
    test::Pass<Block, double> p(b, w, {});
    std::vector<double> y(rows * 5), dx(rows * n);
    Block::forward(p.call, p.w, p.state, View<const double, dyn, n>(x.data(), rows),
                   View<double, dyn, 5>(y.data(), rows), p.saved);
    Block::backward(p.call, p.w, p.dw, View<const double, dyn, n>(x.data(), rows), p.saved,
                    View<const double, dyn, 5>(dy.data(), rows), View<double, dyn, n>(dx.data(), rows), p.dstate);
    // ΔW = s B A after B -= rate dB, beside -rate dW.
    double worst = 0, most = 0;
    for (int o = 0; o < 5; ++o)
      for (int i = 0; i < n; ++i) {
        double low = 0;
        for (int k = 0; k < n; ++k) low += scale_ * -rate * p.dw.b(o, k) * p.w.a(k, i);
        const double full = -rate * p.dw.base.weight(o, i);
        worst = std::fmax(worst, std::fabs(low - scale_ * scale_ * full));
        most = std::fmax(most, std::fabs(low));
      }
    CHECK(most > 0.01);
    CHECK(worst <= 1e-6 * most);
  }
}

}  // namespace test_lora
