// Mixers of recurrent models, one sequence, all processors:
//   mamba1_mixer, mamba2_mixer, ..._train   512 rows of 768 columns, forward; forward and backward: the share of the
//                   multiply-add peak, in turns, and transformers' mixer beside them. FLOPs: the projections, with
//                   Mamba-2's recurrence 2 T (Q N + Q H P + 2 N H P); three times that with the backward pass
//   length_slope    how the time of forward and backward grows from 512 to 16,384 rows: the slope of its logarithm
//                   against the length's, the worst family
#include <benchmark/benchmark.h>

#include <algorithm>
#include <cmath>
#include <memory>
#include <string>

#include <fauna/blocks/delta_net.hpp>
#include <fauna/blocks/gla.hpp>
#include <fauna/blocks/kda.hpp>
#include <fauna/blocks/mamba.hpp>
#include <fauna/blocks/mamba2.hpp>
#include <fauna/blocks/mlstm.hpp>
#include <fauna/blocks/retnet.hpp>
#include <fauna/blocks/rg_lru.hpp>
#include <fauna/blocks/rwkv4.hpp>
#include <fauna/blocks/rwkv5.hpp>
#include <fauna/blocks/rwkv6.hpp>
#include <fauna/blocks/rwkv7.hpp>
#include <fauna/compose/share.hpp>

#include "support/beside.hpp"

using namespace fauna;

namespace {

constexpr int T = 512, D = 768, E = 1536, N1 = 16, R = 48, N2 = 128, H = 24;
using Mamba1 = MambaMixer<D, E, N1, R, 4>;
using Second = Mamba2Mixer<D, Mamba2Sizes{}>;
constexpr double mamba1_flops = 2.0 * T * (D * 2 * E + E * (R + 2 * N1) + R * E + E * D);
constexpr double mamba2_flops =
    2.0 * T * (D * (2 * E + 2 * N2 + H) + E * D + ssd_chunk * N2 + ssd_chunk * E + 2 * N2 * E);

template <class Block> void mixer(benchmark::State& state, const char* figure, double flops, bool train) {
  const int threads = default_threads();
  const auto block = std::make_unique<bench::Mixer<Block>>(T, threads);
  bench::Peer peer("mixers_torch.py", "--threads " + std::to_string(threads));
  const bool slow = train && std::string(figure).find("mamba1") == 0;  // tens of seconds for theirs
  bench::beside(
      state, [&] { train ? block->train() : block->evaluate(); }, flops * (train ? 3 : 1), peer, figure, threads,
      slow ? 2 : 9);
}
void mamba1_mixer(benchmark::State& s) { mixer<Mamba1>(s, "mamba1_mixer", mamba1_flops, false); }
void mamba1_mixer_train(benchmark::State& s) { mixer<Mamba1>(s, "mamba1_mixer_train", mamba1_flops, true); }
void mamba2_mixer(benchmark::State& s) { mixer<Second>(s, "mamba2_mixer", mamba2_flops, false); }
void mamba2_mixer_train(benchmark::State& s) { mixer<Second>(s, "mamba2_mixer_train", mamba2_flops, true); }
BENCHMARK(mamba1_mixer)->Iterations(1);
BENCHMARK(mamba1_mixer_train)->Iterations(1);
BENCHMARK(mamba2_mixer)->Iterations(1);
BENCHMARK(mamba2_mixer_train)->Iterations(1);

/// The least-squares slope of log time over log length; each time is the least of a few, on one thread.
template <class Block> double slope(benchmark::State& state, const char* name) {
  std::vector<double> xs, ys;
  for (int length = 512; length <= 16384; length *= 2) {
    bench::Mixer<Block> block(length, 1);
    double least = 1e9;
    for (int i = 0; i < 3; ++i) least = std::min(least, bench::thread_seconds([&] { block.train(); }));
    xs.push_back(std::log(length));
    ys.push_back(std::log(least));
  }
  double x = 0, y = 0, xx = 0, xy = 0;
  const auto n = static_cast<double>(xs.size());
  for (std::size_t i = 0; i < xs.size(); ++i) x += xs[i], y += ys[i], xx += xs[i] * xs[i], xy += xs[i] * ys[i];
  state.counters[name] = (n * xy - x * y) / (n * xx - x * x);
  return (n * xy - x * y) / (n * xx - x * x);
}
void length_slope(benchmark::State& state) {
  constexpr int W = 128, heads = 4, size = 32;
  constexpr Rwkv7Ranks ranks{.decay = 16, .learning = 16, .value = 16, .gate = 32};
  using Rwkv7 = Carry<"v_first", W, Seq<Rwkv7TimeMix<W, heads, ranks, 2, true>>>;
  double worst = 0;
  const auto see = [&](double s) { worst = std::max(worst, s); };
  for (auto _ : state) {
    see(slope<MambaMixer<W, 2 * W, 16, 8, 4>>(state, "mamba"));
    see(slope<Mamba2Mixer<W, Mamba2Sizes{.heads = 8, .size = 32, .states = 48}>>(state, "mamba2"));
    see(slope<Rwkv4TimeMix<W, 2>>(state, "rwkv4"));
    see(slope<Rwkv5TimeMix<W, heads, 2, Epsilon{64e-5F}>>(state, "rwkv5"));
    see(slope<Rwkv7>(state, "rwkv7"));
    see(slope<Retention<W, heads, size, size>>(state, "retnet"));
    see(slope<GatedLinearAttention<W, heads, size, size>>(state, "gla"));
    see(slope<GatedDeltaNet<W, heads, heads, size, size>>(state, "gated_deltanet"));
    see(slope<KimiDeltaAttention<W, heads, size>>(state, "kda"));
    see(slope<Mlstm<W, heads, size, size>>(state, "mlstm"));
    see(slope<GriffinRecurrent<W, W, heads>>(state, "rg_lru"));
  }
  state.counters["cost"] = worst;
}
BENCHMARK(length_slope)->Iterations(1);

}  // namespace

BENCHMARK_MAIN();
