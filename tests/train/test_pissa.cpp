// PiSSA: the principal part of matrices whose singular vectors are known, a model that starts as its base, and the
// files that bring what was learnt to the base itself.
#include <doctest/doctest.h>

#include <cmath>
#include <vector>

#include <fauna/train/kept_values.hpp>
#include <fauna/train/pissa.hpp>

#include "../support/adapters.hpp"

namespace test_pissa {

using namespace test;

namespace {

/// n orthonormal rows.
std::vector<float> orthonormal(int n, int length, std::uint64_t seed) {
  std::vector<float> q(static_cast<std::size_t>(n * length));
  fill(orthogonal(), Filling{.key = Key{seed, 0}, .rows = n, .cols = length, .to = n}, q.data());
  return q;
}

}  // namespace

TEST_CASE("pissa: A and B are the principal singular vectors, with the square roots of their values") {
  const int shapes[][3] = {{20, 33, 4}, {33, 20, 4}, {5, 40, 5}, {12, 6, 9}};
  for (auto const& s : shapes) {
    const int out = s[0], in = s[1], r = s[2], least = out < in ? out : in, some = r < least ? r : least;
    CAPTURE(out);
    const auto at = [](int row, int cols, int col) { return static_cast<std::size_t>(row * cols + col); };
    const auto u = orthonormal(least, out, 1), v = orthonormal(least, in, 2);
    const auto sigma = [](int i) { return 3 * std::pow(0.8F, static_cast<float>(i)); };
    std::vector<float> w(at(out, in, 0)), want(w.size());  // all of it, and its principal part
    for (int i = 0; i < least; ++i)
      for (int o = 0; o < out; ++o)
        for (int c = 0; c < in; ++c) {
          const float x = sigma(i) * u[at(i, out, o)] * v[at(i, in, c)];
          w[at(o, in, c)] += x;
          if (i < some) want[at(o, in, c)] += x;
        }
    const auto part = [&](int threads) {
      std::vector<float> both(at(r, in + out, 0));
      principal_part<Cpu<>>(threads, Matrix<const float>(w.data(), out, in), 2.0, Key{1, 2},
                            Matrix<float>(both.data(), r, in), Matrix<float>(both.data() + at(r, in, 0), out, r));
      return both;
    };
    const auto both = part(2);
    CHECK(part(1) == both);
    const Matrix<const float> a(both.data(), r, in), b(both.data() + at(r, in, 0), out, r);
    float most = 0;
    for (int o = 0; o < out; ++o)
      for (int c = 0; c < in; ++c) {
        float sum = 0;
        for (int k = 0; k < r; ++k) sum += 2 * b(o, k) * a(k, c);
        most = std::fmax(most, std::fabs(sum - want[at(o, in, c)]));
      }
    CHECK(most <= 2e-5F);
    for (int k = 0; k < r; ++k) {
      double of_a = 0, of_b = 0;
      for (int c = 0; c < in; ++c) of_a += static_cast<double>(a(k, c)) * static_cast<double>(a(k, c));
      for (int o = 0; o < out; ++o) of_b += static_cast<double>(b(o, k)) * static_cast<double>(b(o, k));
      const double half = k < some ? static_cast<double>(sigma(k)) / 2 : 0;
      CHECK(of_a == doctest::Approx(half).epsilon(1e-3));
      CHECK(of_b == doctest::Approx(half).epsilon(1e-3));
    }
  }
}

TEST_CASE("pissa: a model starts as its base; what it learns is a LoRA of twice the rank to that base") {
  using M = LlamaHalf::Adapted;
  const Golden golden(folder_of("llama_bf16"));
  Trained<M, Cpu<>> model(seed{1}, 2);
  freeze_base(model);
  load_base(model, SafeTensors(folder_of("llama_bf16")));
  start_principal(model, SafeTensors(folder_of("llama_bf16")));
  KeptValues kept(model);
  model.prepare_inference({.sequences = 2, .length = golden.length});
  const auto start = gap_of(adapter_logits(model, golden), floats(golden.file.find("logits")));
  CHECK(start.close());
  model.prepare_training({.sequences = 2, .length = golden.length});
  const double first = model.accumulate(golden.batch());
  for (int i = 0; i < 20; ++i) {
    model.update({.lr = 3e-3, .decay = 0});
    model.accumulate(golden.batch());
  }
  CHECK(model.accumulate(golden.batch()) < first);
  const auto learnt = adapter_logits(model, golden);
  CHECK_FALSE(gap_of(learnt, floats(golden.file.find("logits"))).close());

  const TemporaryFolder place;
  save_adapter<M>(place / "now", model.weights(), "base");
  kept.exchange(model);
  CHECK(gap_of(adapter_logits(model, golden), floats(golden.file.find("logits"))).close());
  save_adapter<M>(place / "then", model.weights(), "base");
  kept.exchange(model);
  CHECK(adapter_logits(model, golden) == learnt);
  make_directories(place / "both");
  write_difference(place / "both", Adapter(place / "now"), Adapter(place / "then"));
  const Adapter both(place / "both");
  CHECK(both.config().rank == 4);
  CHECK(both.config().alpha == 16);
  SafeTensors base(folder_of("llama_bf16"));
  both.merge_into(base);
  Loaded<LlamaHalf::Model, Cpu<>> merged(base);
  merged.prepare_inference({.sequences = 2, .length = golden.length});
  CHECK(gap_of(adapter_logits(merged, golden), learnt).close());
}

}  // namespace test_pissa
