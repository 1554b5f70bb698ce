// GPT with dropout: the same bits for any number of threads.
#include <doctest/doctest.h>

#include <cmath>
#include <cstring>
#include <vector>

#include <fauna/models/gpt.hpp>
#include <fauna/ops/cpu.hpp>
#include <fauna/train/trained.hpp>

namespace test_gpt_threads {

namespace {

using namespace fauna;

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

}  // namespace

TEST_SUITE("gpt threads") {
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
}

}  // namespace test_gpt_threads
