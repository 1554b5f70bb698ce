// What attention's variants spare of a context of 16,384 rows, f32, each in turns with what it is measured against.
//   window_16k      attention alone, forward, 12 heads of 64 columns: a window of 1,024 rows over none. Of the pairs of
//                   rows 0.121 are left. Beside it the share of the processor's limit that the full one reaches
//   mla_decode_16k  one token of a layer of DeepSeek-V2-Lite's width, heads and ranks: absorbed, behind a cache of
//                   latents, over spelt out, behind one of keys and values. Its MLP and vocabulary are small
#include <benchmark/benchmark.h>

#include <cmath>
#include <memory>
#include <vector>

#include <fauna/blocks/spelt_mla.hpp>
#include <fauna/models/deepseek.hpp>

#include "support/behind.hpp"
#include "support/scratch.hpp"

using namespace fauna;
using bench::median;

namespace {

constexpr int context = 16384;

void window(benchmark::State& state) {
  constexpr int size = 64, heads = 12;
  using A = attention<Cpu<>>;
  const AttentionShape full{.heads = heads, .kv_heads = heads, .scale = 1 / std::sqrt(size)};
  AttentionShape windowed = full;
  windowed.window = 1024;
  const Batch batch = Batch::uniform(1, context);
  const bench::Numbers qkv(3 * heads * context, size, 1);
  bench::Numbers y(heads * context, size, 2);
  const auto part = [&](int i) {
    return Heads<const float>{qkv.data() + static_cast<std::ptrdiff_t>(i) * heads * context * size, size,
                              context * size};
  };
  const int threads = default_threads();
  bench::Scratch scratch(A::workspace<size>(1, context, full, threads));
  const auto run = [&](AttentionShape const& a) {
    const double start = bench::now();
    A::forward<size>(scratch.on(threads), batch, a, part(0), part(1), part(2), {y.data(), size, context * size},
                     nullptr);
    return bench::now() - start;
  };
  std::vector<double> costs, seconds;
  run(windowed);
  for (auto _ : state)
    for (int i = 0; i < 5; ++i) {
      const double all = run(full), some = (run(windowed) + run(windowed)) / 2;
      costs.push_back(some / all);
      seconds.push_back(some);
    }
  const double flops = 4.0 * size * heads * (0.5 * context * (context + 1));
  state.counters["cost"] = median(costs);
  state.counters["window ms"] = 1e3 * median(seconds);
  state.counters["share"] = bench::share_of_peak(
                                bench::limit::f32, threads, flops, [&] { run(full); }, 3, 60)
                                .share;
}
BENCHMARK(window)->Name("window_16k")->Iterations(1);

using Absorbed = DeepseekV2<DeepseekV2Config{
    {.layers = 1, .heads = 16, .width = 2048, .hidden = 64, .context = context + bench::steps, .vocab = 64},
    {.experts = 2, .chosen = 1, .expert_hidden = 16, .shared_hidden = 16, .dense = 0, .groups = 1, .kept_groups = 1},
    {}}>;

void mla_decode(benchmark::State& state) {
  const auto mine = std::make_unique<bench::Behind<Absorbed>>(context);
  const auto theirs = std::make_unique<bench::Behind<spelt_out<Absorbed>>>(context);
  std::vector<double> seconds, peer_seconds, ratios;
  mine->step(), theirs->step();
  for (auto _ : state)
    for (int i = 0; i < 11; ++i) {
      seconds.push_back(mine->step());
      peer_seconds.push_back(theirs->step());
      ratios.push_back(peer_seconds.back() / seconds.back());
    }
  state.counters["seconds"] = median(seconds);
  state.counters["peer_seconds"] = median(peer_seconds);
  state.counters["ratio"] = median(ratios);
  state.SetLabel("our SpeltMla");
}
BENCHMARK(mla_decode)->Name("mla_decode_16k")->Iterations(1);

}  // namespace

BENCHMARK_MAIN();
