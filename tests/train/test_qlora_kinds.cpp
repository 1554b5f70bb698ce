// What stands beside a base in NF4: absmax in eight bits, DoRA's magnitudes, PiSSA's start.
#include <doctest/doctest.h>

#include <cmath>
#include <vector>

#include <fauna/models/llama.hpp>
#include <fauna/models/lora.hpp>
#include <fauna/ops/cpu.hpp>
#include <fauna/ops/gemm/nf4.hpp>
#include <fauna/train/pissa.hpp>

#include "../support/temporary.hpp"

namespace test_qlora_kinds {

namespace {

using namespace fauna;

using Base = Llama<LlamaConfig{
    .layers = 2, .heads = 2, .kv_heads = 1, .head_size = 8, .width = 16, .hidden = 28, .context = 8, .vocab = 11}>;
using WithLora = lora<Base, LoraConfig{.rank = 4, .alpha = 8}>;
using WithDora = lora<Base, LoraConfig{.rank = 4, .alpha = 8, .magnitudes = true}>;
template <class M> using Full = Trained<M, Cpu<>>;
template <class M> using Four = Trained<M, Cpu<>, WithNf4<float>>;
template <class M> using Twice = Trained<M, Cpu<>, WithNf4Twice<float>>;

const std::vector<int> tokens = {1, 5, 9, 2, 7, 0, 3, 10, 4, 4, 8, 6, 1, 2, 9, 5},
                       targets = {5, 9, 2, 7, 0, 3, 10, 4, 4, 8, 6, 1, 2, 9, 5, 0};
Batch batch() { return Batch::uniform(2, 8, tokens.data(), targets.data()); }

/// The layers' numbers by way of NF4, with absmax in f32 or in eight bits.
void round_numbers(float* x, std::size_t n, bool twice) {
  std::vector<std::uint8_t> codes((n + 1) / 2), bytes(n / 64 + 1);
  std::vector<float> absmax((n + 63) / 64), scales(n / 64 / 256 + 1);
  nf4::quantise(x, n, codes.data(), absmax.data());
  if (twice) {
    const float offset = nf4::quantise_absmax(absmax.data(), absmax.size(), bytes.data(), scales.data());
    nf4::dequantise_absmax(bytes.data(), scales.data(), offset, absmax.size(), absmax.data());
  }
  nf4::dequantise(codes.data(), absmax.data(), 0, n, x);
}
/// A base's file, with numbers of the size that a trained model's have; where `round` says so, the layers' are rounded.
enum class rounding { none, once, twice };
void write_base(std::string const& path, rounding round = rounding::none) {
  Full<Base> base(seed{7});
  for (Parameter const& p : base.parameters()) {
    if (!matches("*_proj.weight", p.name)) continue;
    for (std::size_t i = 0; i < p.size(); ++i) base.value(p).data()[i] *= 20;
    if (round != rounding::none) round_numbers(base.value(p).data(), p.size(), round == rounding::twice);
  }
  save_weights<Base>(path, base.weights());
}
template <class T> std::vector<float> logits(T& model) {
  std::vector<float> y(16 * 11);
  model.prepare_inference({.sequences = 2, .length = 8});
  model.logits(batch(), logit_rows::all, Matrix<float>(y.data(), 16, 11));
  return y;
}
template <class T> double learn(T& model, int steps) {
  model.prepare_training({.sequences = 2, .length = 8});
  double loss = 0;
  for (int i = 0; i < steps; ++i) {
    loss = model.accumulate(batch());
    model.update({.lr = 5e-3, .decay = 0});
  }
  return loss;
}
template <class T> void load(T& model, std::string const& path) {
  freeze_base(model);
  load_base(model, SafeTensors(path));
}
double apart(std::vector<float> const& a, std::vector<float> const& b) {
  double sum = 0;
  for (std::size_t i = 0; i < a.size(); ++i) sum += static_cast<double>(a[i] - b[i]) * static_cast<double>(a[i] - b[i]);
  return std::sqrt(sum);
}

}  // namespace

TEST_CASE("qlora: with absmax in eight bits a base is that of the numbers rounded twice, in less memory") {
  const TemporaryFolder folder;
  const std::string exact = folder / "w.safetensors", once = folder / "1.safetensors",
                    rounded = folder / "2.safetensors";
  write_base(exact);
  write_base(once, rounding::once);
  write_base(rounded, rounding::twice);
  Full<WithLora> full(seed{4}, 2), of_once(seed{4}, 2);
  Twice<WithLora> twice(seed{4}, 2);
  Four<WithLora> four(seed{4}, 2);
  load(full, rounded);
  load(of_once, once);
  load(twice, exact);
  load(four, exact);
  CHECK(logits(twice) == logits(full));
  CHECK(logits(four) == logits(of_once));
  CHECK(logits(twice) != logits(four));
  CHECK(learn(twice, 20) == learn(full, 20));
}

TEST_CASE("qlora: 4.5 bits a number, and 4.13 with absmax in eight bits") {
  const auto bits = [](auto stored) {
    Arena a;
    place(stored, Tensor{.rows = 256, .cols = 1024}, a);
    return 8 * static_cast<double>(a.high_water()) / (256 * 1024);
  };
  CHECK(bits(Nf4{}) == doctest::Approx(4.5));
  CHECK(bits(Nf4Twice{}) == doctest::Approx(4 + 8.0 / 64 + 32.0 / (64 * 256)).epsilon(1e-3));
}

/// The plan is known before there is a model.
template <class M, class D> void planned_before() {
  const Shape shape{.sequences = 2, .length = 8, .threads = 2};
  Trained<M, Cpu<>, D> model(seed{4}, shape.threads);
  freeze_base(model);
  model.prepare_training(shape);
  const MemoryPlan before = plan_beside_base<M, Cpu<>, D>(shape), then = model.planned();
  CHECK(before.weights == then.weights);
  CHECK(before.gradients == then.gradients);
  CHECK(before.moments == then.moments);
  CHECK(before.total() == then.total());
}
TEST_CASE("qlora: what a step takes is known before there is a model, for every storage of the base") {
  planned_before<WithLora, All<float>>();
  planned_before<WithDora, WithNf4<float>>();
  planned_before<WithLora, WithNf4Twice<float>>();
  const Shape shape{.sequences = 2, .length = 8, .threads = 2};
  const MemoryPlan full = plan_beside_base<WithLora, Cpu<>>(shape),
                   four = plan_beside_base<WithLora, Cpu<>, WithNf4<float>>(shape);
  CHECK(four.weights < full.weights);
  CHECK(four.gradients == full.gradients);
}

TEST_CASE(
    "qlora: DoRA beside a base in four bits starts as that base, and learns what it does beside the rounded one") {
  const TemporaryFolder folder;
  write_base(folder / "w.safetensors");
  write_base(folder / "1.safetensors", rounding::once);
  Full<WithDora> full(seed{4}, 2);
  Four<WithDora> four(seed{4}, 2);
  Four<WithLora> plain(seed{4}, 2);
  load(full, folder / "1.safetensors");
  load(four, folder / "w.safetensors");
  load(plain, folder / "w.safetensors");
  CHECK(logits(four) == logits(full));
  const std::vector<float> start = logits(plain);
  CHECK(apart(logits(four), start) < 1e-4 * apart(start, std::vector<float>(start.size())));
  const double first = learn(four, 1);
  CHECK(first == learn(full, 1));
  CHECK(learn(four, 30) == learn(full, 30));
  CHECK(learn(four, 1) < first);
}

TEST_CASE("qlora: PiSSA's principal part is taken out before the rest is rounded, which loses less than rounding all") {
  const TemporaryFolder folder;
  const std::string path = folder / "w.safetensors";
  write_base(path);
  Full<WithLora> exact(seed{4}, 2), principal(seed{4}, 2);
  Four<WithLora> four(seed{4}, 2), plain(seed{4}, 2);
  load(exact, path);
  load(plain, path);
  load(principal, path);
  load(four, path);
  start_principal(principal, SafeTensors(path));
  start_principal(four, SafeTensors(path));
  // The adapters are those of the exact weights, to the bit; the rest is NF4's of what is left of these.
  for (std::size_t i = 0; i < four.parameters().size(); ++i) {
    Parameter const &p = principal.parameters()[i], &q = four.parameters()[i];
    CAPTURE(p.name);
    if (!q.in_rows) continue;
    for (std::size_t j = 0; j < p.size(); ++j) REQUIRE(four.value(q).data()[j] == principal.value(p).data()[j]);
  }
  for (Parameter const& p : principal.parameters())
    if (matches("*_proj.weight", p.name)) round_numbers(principal.value(p).data(), p.size(), false);
  CHECK(logits(four) == logits(principal));
  const auto want = logits(exact);
  CHECK(apart(logits(four), want) < 0.9 * apart(logits(plain), want));
  const double first = learn(four, 1);
  CHECK(learn(four, 20) < first);
}

}  // namespace test_qlora_kinds
