// GPT on the CPU policy: PyTorch's numbers, the reference policy's numbers, the same bits for any number of threads.
#include <doctest/doctest.h>

#include <cmath>
#include <cstring>
#include <string>
#include <vector>

#include <fauna/models/gpt.hpp>
#include <fauna/ops/cpu.hpp>
#include <fauna/ops/ref.hpp>
#include <fauna/train/trained.hpp>

#include "../support/golden.hpp"
#include "../support/model_check.hpp"

namespace {

using namespace fauna;

template <bool Bias>
using Tiny = Gpt<GptConfig{.layers = 2, .heads = 2, .width = 16, .context = 8, .vocab = 11, .bias = Bias}>;

/// max |a - b| over max |b|, over the columns outside [from, to).
double difference(Matrix<const float> a, std::vector<float> const& b, int from = 0, int to = 0) {
  double worst = 0, largest = 0;
  for (int r = 0; r < a.rows(); ++r)
    for (int c = 0; c < a.cols(); ++c) {
      if (c >= from && c < to) continue;
      const float x = b[static_cast<std::size_t>(r) * static_cast<std::size_t>(a.cols()) + static_cast<std::size_t>(c)];
      test::see(worst, std::abs(static_cast<double>(a(r, c)) - static_cast<double>(x)));
      largest = std::max(largest, std::abs(static_cast<double>(x)));
    }
  return worst / largest;
}

template <class M, class B> void set_weights(Trained<M, B>& m, Golden const& g, std::string const& prefix) {
  for (Parameter const& p : m.parameters()) {
    const auto v = g.floats(prefix + p.name);
    REQUIRE(v.size() == p.size());
    for (std::size_t i = 0; i < v.size(); ++i) m.value(p).data()[i] = static_cast<typename B::scalar>(v[i]);
  }
}

/// Everything a few training steps leave behind.
template <class M, class P> std::vector<float> train_bits(int threads, int steps) {
  Trained<M, Cpu<P>> m(seed{7}, threads);
  const int sequences = 3, length = 40;
  std::vector<int> tokens(sequences * length), targets(sequences * length);
  for (std::size_t i = 0; i < tokens.size(); ++i) {
    tokens[i] = static_cast<int>(i * 7 % 61);
    targets[i] = static_cast<int>((i + 1) * 7 % 61);
  }
  m.prepare_training({.sequences = sequences, .length = length});
  std::vector<float> all;
  for (int i = 0; i < steps; ++i) {
    all.push_back(static_cast<float>(m.accumulate(Batch::uniform(sequences, length, tokens.data(), targets.data()), 1,
                                                  Key{3, static_cast<std::uint64_t>(i)})));
    for (Parameter const& p : m.parameters())
      all.insert(all.end(), m.gradient(p).data(), m.gradient(p).data() + p.size());
    all.push_back(static_cast<float>(m.update({}).gradient_norm));
  }
  for (Parameter const& p : m.parameters()) all.insert(all.end(), m.value(p).data(), m.value(p).data() + p.size());
  return all;
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
  m.logits(b, Matrix<float>(logits.data(), b.rows, 11));
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

  TEST_CASE_TEMPLATE("the loss's gradient equals the derivative of dual numbers", M, Tiny<true>, Tiny<false>) {
    test::check_loss_gradient<M>(test::plain(2, 5));
    test::check_loss_gradient<M>(test::ragged());
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

  TEST_CASE_TEMPLATE("the same bits for 1, 2, 3 and 8 threads", P, f32_products, bf16_products) {
    using M = Gpt<GptConfig{.layers = 2, .heads = 2, .width = 64, .context = 40, .vocab = 61, .dropout = 0.2F}>;
    const auto one = train_bits<M, P>(1, 3);
    for (float x : one) REQUIRE(std::isfinite(x));
    for (int threads : {2, 3, 8}) {
      CAPTURE(threads);
      const auto other = train_bits<M, P>(threads, 3);
      REQUIRE(one.size() == other.size());
      CHECK(std::memcmp(one.data(), other.data(), one.size() * sizeof(float)) == 0);
    }
  }

  TEST_CASE("one batch is learnt by heart") {
    Trained<Tiny<true>, Cpu<f32_products>> m(seed{2}, 1);
    const int tokens[] = {1, 5, 2, 8, 3, 9, 10, 4}, targets[] = {5, 2, 8, 3, 9, 10, 4, 0};
    const Batch b = Batch::uniform(1, 8, tokens, targets);
    m.prepare_training({.sequences = 1, .length = 8});
    const double before = m.accumulate(b);
    CHECK(before == doctest::Approx(std::log(11.0)).epsilon(0.05));
    for (int i = 0; i < 200; ++i) {
      m.update({.lr = 1e-2, .decay = 0});
      m.accumulate(b);
    }
    m.clear_gradients();
    CHECK(m.accumulate(b) < 0.02);
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
    CHECK_THROWS_WITH_AS(m.logits(Batch::uniform(1, 9, tokens), Matrix<float>(logits.data(), 9, 11)),
                         doctest::Contains("[transformer.wpe] position 8, expected 0 to 7"), error);
  }
}
