// Adapters beside a base in NF4: products, what a model with such a base computes and learns, and what it takes.
#include <doctest/doctest.h>

#include <cmath>
#include <cstring>
#include <vector>

#include <fauna/models/llama.hpp>
#include <fauna/models/lora.hpp>
#include <fauna/ops/cpu.hpp>
#include <fauna/ops/gemm/nf4.hpp>
#include <fauna/train/adapters.hpp>
#include <fauna/train/in_file.hpp>
#include <fauna/train/trained.hpp>

#include "../support/dual_check.hpp"
#include "../support/temporary.hpp"

namespace test_qlora {

namespace {

using namespace fauna;

using Base = Llama<LlamaConfig{
    .layers = 2, .heads = 2, .kv_heads = 1, .head_size = 8, .width = 16, .hidden = 28, .context = 8, .vocab = 11}>;
using Adapted = lora<Base, LoraConfig{.rank = 4, .alpha = 8}>;
using Full = Trained<Adapted, Cpu<>>;
using Four = Trained<Adapted, Cpu<>, WithNf4<float>>;

std::vector<int> numbers(int n, int step) {
  std::vector<int> v;
  for (int i = 0; i < n; ++i) v.push_back(i * step % 11);
  return v;
}
const std::vector<int> tokens = numbers(16, 5), targets = numbers(16, 7);
Batch batch() { return Batch::uniform(2, 8, tokens.data(), targets.data()); }

/// The weight of a linear layer as NF4 has it.
bool in_four_bits(Parameter const& p) { return matches("*_proj.weight", p.name); }

/// Numbers of the size that a trained model's have, the same in both; those of layers go through NF4.
template <class T> void enlarge(T& model) {
  Adapted::visit(model.weights(), Place{}, [](Tensor const& t, auto& v) {
    if (is_adapter(t.name()) || t.is_vector()) return;
    std::vector<float> rows(t.size());
    fill(t, 4, 0, t.rows, rows.data());
    for (float& x : rows) x *= 20;
    fill(Cpu<>{}, v, Matrix<const float>(rows.data(), t.rows, t.cols));
  });
}
/// Replaces the layers' weights by what they are in NF4.
void round_base(Full& model) {
  for (auto const& p : model.parameters()) {
    if (!in_four_bits(p)) continue;
    std::vector<std::uint8_t> codes((p.size() + 1) / 2);
    std::vector<float> absmax(p.size() / 64 + 1);
    nf4::quantise(model.value(p).data(), p.size(), codes.data(), absmax.data());
    nf4::dequantise(codes.data(), absmax.data(), 0, p.size(), model.value(p).data());
  }
}
template <class T> std::vector<float> logits(T& model) {
  std::vector<float> y(16 * 11);
  model.prepare_inference({.sequences = 2, .length = 8});
  model.logits(batch(), logit_rows::all, Matrix<float>(y.data(), 16, 11));
  return y;
}
template <class T> double learn(T& model, int steps) {
  double loss = 0;
  for (int i = 0; i < steps; ++i) {
    loss = model.accumulate(batch());
    model.update({.lr = 5e-3, .decay = 0});
  }
  return loss;
}

}  // namespace

TEST_SUITE("qlora") {
  TEST_CASE("products are those of the numbers that the codes stand for, in slices too") {
    for (const int n : {5, 37, 700})
      for (const int k : {20, 63, 1000}) {
        CAPTURE(n);
        CAPTURE(k);
        const std::size_t all = static_cast<std::size_t>(n) * static_cast<std::size_t>(k);
        const int m = 3;
        const auto draw = [](std::size_t count, int seed) {
          const auto d = test::random_values(count, static_cast<std::uint64_t>(seed));
          return std::vector<float>(d.begin(), d.end());
        };
        const auto w = draw(all, 1), x = draw(static_cast<std::size_t>(m * k), 2),
                   dy = draw(static_cast<std::size_t>(m * n), 3), bias = draw(static_cast<std::size_t>(n), 4);
        std::vector<std::uint8_t> codes((all + 1) / 2);
        std::vector<float> absmax(all / 64 + 1), back(all);
        nf4::quantise(w.data(), all, codes.data(), absmax.data());
        nf4::dequantise(codes.data(), absmax.data(), 0, all, back.data());
        const Nf4Of four{{}, codes.data(), absmax.data(), n, k};
        const Matrix<const float> plain(back.data(), n, k);
        Arena measure;
        plan_workspace(gemm<Cpu<>>::workspace(m, n, k, 2), measure);
        plan_workspace(gemm<Cpu<>>::workspace(m, k, n, 2), measure);
        const Region room(measure.high_water());
        Arena arena = room.arena();
        Cpu<> b{2};
        b.scratch = &arena;
        const auto same = [&](int cols, auto&& run) {
          std::vector<float> a(static_cast<std::size_t>(m * cols)), c = a;
          run(four, Matrix<float>(a.data(), m, cols));
          run(plain, Matrix<float>(c.data(), m, cols));
          CHECK(std::memcmp(a.data(), c.data(), a.size() * sizeof(float)) == 0);
        };
        same(n, [&](auto const& from, Matrix<float> y) {
          Epilogue<float> e;
          e.bias = bias.data();
          e.base = dy.data();
          e.base_stride = n;
          gemm<Cpu<>>::nt(b, Matrix<const float>(x.data(), m, k), from, y, e);
        });
        same(k, [&](auto const& from, Matrix<float> y) {
          Epilogue<float> e;
          e.base = x.data();
          e.base_stride = k;
          gemm<Cpu<>>::nn(b, Matrix<const float>(dy.data(), m, n), from, y, e);
        });
        std::vector<float> row(static_cast<std::size_t>(k));
        four.row(n - 1, nullptr, row.data());
        CHECK(std::memcmp(row.data(), back.data() + (all - row.size()), row.size() * sizeof(float)) == 0);
      }
  }

  TEST_CASE("a base in four bits is the base of the rounded numbers: logits, loss, gradients, and what is learnt") {
    Full full(seed{4}, 2);
    Four four(seed{4}, 2);
    freeze_base(full);
    freeze_base(four);
    enlarge(full);
    enlarge(four);
    const auto exact = logits(full);
    round_base(full);
    CHECK(logits(four) == logits(full));
    CHECK(logits(four) != exact);
    full.prepare_training({.sequences = 2, .length = 8});
    four.prepare_training({.sequences = 2, .length = 8});
    CHECK(learn(four, 20) == learn(full, 20));
    for (std::size_t i = 0; i < full.parameters().size(); ++i) {
      auto const &p = full.parameters()[i], &q = four.parameters()[i];
      CAPTURE(p.name);
      CHECK(p.name == q.name);
      CHECK(q.in_rows == !in_four_bits(p));
      if (q.in_rows) CHECK(std::memcmp(full.value(p).data(), four.value(q).data(), p.size() * sizeof(float)) == 0);
      else CHECK(four.value(q).data() == nullptr);
    }
  }

  TEST_CASE("a base that stays in its file is the base of the numbers there, and takes no memory") {
    const TemporaryFolder folder;
    Trained<Base, Cpu<>> base(seed{7});
    save_weights<Base>(folder / "w.safetensors", base.weights());
    const SafeTensors file(folder / "w.safetensors");
    Full full(seed{4}, 2);
    Trained<Adapted, Cpu<>, InFile<float>> in_file(seed{4}, 2);
    freeze_base(full);
    freeze_base(in_file);
    load_base(full, file);
    load_base(in_file, file);
    CHECK(logits(in_file) == logits(full));
    full.prepare_training({.sequences = 2, .length = 8});
    in_file.prepare_training({.sequences = 2, .length = 8});
    const std::vector<float> before = logits(full);
    CHECK(learn(in_file, 20) == learn(full, 20));
    CHECK(logits(in_file) == logits(full));
    CHECK(logits(full) != before);
    std::size_t layers = 0;
    for (auto const& p : in_file.parameters()) layers += p.in_rows ? 0 : p.size() * sizeof(float);
    CHECK(in_file.planned().weights + layers == full.planned().weights);
  }

  TEST_CASE("after 200 updates the loss is LoRA's within 2 %, in less memory") {
    Full full(seed{4}, 2);
    Four four(seed{4}, 2);
    freeze_base(full);
    freeze_base(four);
    enlarge(full);
    enlarge(four);
    full.prepare_training({.sequences = 2, .length = 8});
    four.prepare_training({.sequences = 2, .length = 8});
    const double first = full.accumulate(batch());
    full.clear_gradients();
    const double wide = learn(full, 200), narrow = learn(four, 200);
    CAPTURE(first);
    CAPTURE(wide);
    CAPTURE(narrow);
    CHECK(wide < 0.9 * first);
    CHECK(std::fabs(narrow - wide) <= 0.02 * wide);
    std::size_t codes = 0;
    for (auto const& p : four.parameters()) codes += p.in_rows ? 0 : p.size();
    CHECK(codes > 0);
    // 4.5 bits a number, but tensors of this size are mostly what brings them to a multiple of 64 bytes.
    CHECK(four.planned().weights < full.planned().weights - 2 * codes);
    CHECK(four.planned().gradients == full.planned().gradients);
  }
}

}  // namespace test_qlora
