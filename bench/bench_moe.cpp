// Mixtures of experts, all processors:
//   moe_decode          one token through three layers of 64 experts of 384 columns with 8 of each, f32: the share of
//   the
//                       bandwidth of memory, where each weight of a chosen expert counts once, as do all others
//   moe_decode_4        four tokens at once, over four one by one: they share what they choose alike
//   moe_mixtral         512 rows of 512 columns, 8 experts of 1792 of which 2, forward: transformers' time over ours
//   moe_qwen3           the same with 64 experts of 384 columns of which 8
//   moe_vs_dense_8, _64 the same two, forward and backward: the time over that of an MLP with as many operations
#include <benchmark/benchmark.h>

#include <memory>

#include <fauna/backend/memory.hpp>
#include <fauna/blocks/mlp.hpp>
#include <fauna/blocks/moe.hpp>
#include <fauna/decode/cache.hpp>
#include <fauna/decode/loaded.hpp>
#include <fauna/models/mixtral.hpp>
#include <fauna/train/trained.hpp>

#include "support/bandwidth.hpp"
#include "support/beside.hpp"
#include "support/decoder.hpp"

using namespace fauna;

namespace {

constexpr int rows = 512, width = 512;
constexpr MixtralConfig deep{.layers = 3,
                             .heads = 8,
                             .kv_heads = 2,
                             .head_size = 64,
                             .width = width,
                             .hidden = 384,
                             .experts = 64,
                             .chosen = 8,
                             .context = 256,
                             .vocab = 512,
                             .tied = true};
using Deep = Mixtral<deep>;
using Ready = Loaded<Deep, Cpu<>>;

std::unique_ptr<Ready> ready() {
  Trained<Deep, Cpu<>> random(seed{1});
  return std::make_unique<Ready>(random.weights());
}

void moe_decode(benchmark::State& state) {
  const auto model = ready();
  bench::Decoder decoder(*model, 64, 16);
  const double bytes = 4.0 * static_cast<double>(Deep::active_parameters);
  const Region memory(std::size_t{512} << 20);
  auto* const data = static_cast<float*>(memory.data());
  for (std::size_t i = 0; i < memory.bytes() / sizeof(float); i += 16) data[i] = 1;
  decoder.step(16);
  std::vector<double> seconds, shares;
  for (auto _ : state)
    for (int i = 0; i < 15; ++i) {
      const double before = bench::read_bandwidth(data, memory.bytes() / 4, model->threads(), 2), s = decoder.step(16),
                   after = bench::read_bandwidth(data, memory.bytes() / 4, model->threads(), 2);
      seconds.push_back(s);
      shares.push_back(bytes / s / std::max(before, after));
    }
  state.counters["seconds"] = bench::median(seconds);
  state.counters["share"] = bench::median(shares);
}
BENCHMARK(moe_decode)->Iterations(1);

/// Four rows of one sequence, as a draft is verified, over the same four one by one.
void moe_decode_4(benchmark::State& state) {
  const auto model = ready();
  Cache<Deep, Cpu<>> cache(1, 128);
  model->prepare_inference({.sequences = 1, .length = 64, .context = 128});
  std::vector<float> logits(deep.vocab);
  const auto read = [&](int first, int some) {
    std::vector<int> tokens;
    for (int i = 0; i < some; ++i) tokens.push_back(1 + (first + i) * 41 % (deep.vocab - 1));
    const double start = seconds_now();
    model->logits(cache, Batch::uniform(1, some, tokens.data()), logit_rows::last,
                  Matrix<float>(logits.data(), 1, deep.vocab));
    return seconds_now() - start;
  };
  read(0, 64);
  const auto mark = cache.mark();
  std::vector<double> ratios;
  for (auto _ : state)
    for (int i = 0; i < 31; ++i) {
      double ones = 0;
      for (int r = 0; r < 4; ++r) ones += read(64 + 4 * i + r, 1);
      cache.rewind(mark);
      ratios.push_back(read(64 + 4 * i, 4) / ones);
      cache.rewind(mark);
    }
  state.counters["cost"] = bench::median(ratios);
}
BENCHMARK(moe_decode_4)->Iterations(1);

/// Forward, beside transformers' block.
template <int Hidden, int E, int K> void forward(benchmark::State& state, const char* figure) {
  const int threads = default_threads();
  const auto block = std::make_unique<bench::Mixer<Moe<GatedMlp<width, Hidden>, E, K>>>(rows, threads);
  bench::Peer peer("moe_torch.py", "--threads " + std::to_string(threads));
  bench::beside(
      state, [&] { block->evaluate(); }, 2.0 * rows * K * 3 * width * Hidden, peer, figure, threads);
}
void moe_mixtral(benchmark::State& state) { forward<1792, 8, 2>(state, "moe_mixtral"); }
void moe_qwen3(benchmark::State& state) { forward<384, 64, 8>(state, "moe_qwen3"); }
BENCHMARK(moe_mixtral)->Iterations(1);
BENCHMARK(moe_qwen3)->Iterations(1);

template <int Hidden, int E, int K> void versus(benchmark::State& state) {
  const int threads = default_threads();
  const auto sparse = std::make_unique<bench::Mixer<Moe<GatedMlp<width, Hidden>, E, K>>>(rows, threads);
  const auto dense = std::make_unique<bench::Mixer<GatedMlp<width, K * Hidden>>>(rows, threads);
  const auto seconds = [](auto& block) {
    const double start = bench::now();
    block->train();
    return bench::now() - start;
  };
  const double flops = 3 * 2.0 * rows * 3 * width * K * Hidden;
  std::vector<double> ratios, shares;
  for (auto _ : state)
    for (int i = 0; i < 21; ++i) {
      const double before = seconds(dense), mixture = seconds(sparse), after = seconds(dense);
      ratios.push_back(mixture / (0.5 * (before + after)));
      shares.push_back(flops / (0.5 * (before + after)) / bench::peak(bench::limit::f32, threads, flops / 4e11));
    }
  state.counters["cost"] = bench::median(ratios);
  state.counters["dense_share"] = bench::median(shares);
}
void moe_vs_dense_8(benchmark::State& state) { versus<1792, 8, 2>(state); }
void moe_vs_dense_64(benchmark::State& state) { versus<384, 64, 8>(state); }
BENCHMARK(moe_vs_dense_8)->Iterations(1);
BENCHMARK(moe_vs_dense_64)->Iterations(1);

}  // namespace

BENCHMARK_MAIN();
