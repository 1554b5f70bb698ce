// Causal attention, forward and backward, at three shapes: a long context, contiguous [heads, rows, size]; and the
// layers of the nanoGPT CPU model and of GPT-2 124M at 64 tokens, cut out of a fused projection. FLOPs count the pairs
// that causality leaves, T (T + 1) / 2 a head, two products forward and five backward.
#include <benchmark/benchmark.h>

#include <cmath>
#include <cstdlib>
#include <fauna/ops/attention/cpu.hpp>
#include <vector>

#include "support/peak.hpp"

using namespace fauna;

namespace {

enum class layout { fused, heads_first };

template <int Size> struct Problem {
  using B = Cpu<>;
  Batch batch;
  AttentionShape shape;
  int width;
  std::vector<float> qkv, dqkv, y, dy, lse;
  std::size_t bytes;
  void* memory;
  Arena arena;
  B b;
  layout how;

  Problem(layout l, int sequences, int length, int heads)
      : batch(Batch::uniform(sequences, length)),
        shape{.heads = heads, .kv_heads = heads, .scale = 1 / std::sqrt(Size)},
        width(heads * Size),
        qkv(count(3)),
        dqkv(count(3)),
        y(count(1)),
        dy(count(1)),
        lse(count(1) / Size),
        bytes(attention<B>::workspace<Size>(sequences, length, shape, default_threads())),
        memory(std::aligned_alloc(alignment, aligned(bytes))),
        arena(memory, bytes),
        b{.threads = default_threads(), .scratch = &arena},
        how(l) {
    std::uint64_t at = 0;
    for (float& x : qkv) x = Key{1, 1}.normal(at++);
    for (float& x : dy) x = Key{1, 2}.normal(at++);
  }
  Problem(Problem const&) = delete;
  Problem& operator=(Problem const&) = delete;
  ~Problem() { std::free(memory); }

  std::size_t count(int n) const { return static_cast<std::size_t>(n * batch.rows * width); }
  /// Part i of n matrices of [rows, width].
  Heads<float> part(std::vector<float>& m, int i, int n) const {
    if (how == layout::fused) return {m.data() + i * width, n * width, Size};
    return {m.data() + i * batch.rows * width, Size, batch.rows * Size};
  }
  void forward() {
    attention<B>::forward<Size>(b, batch, shape, part(qkv, 0, 3), part(qkv, 1, 3), part(qkv, 2, 3), part(y, 0, 1),
                                lse.data());
  }
  void backward() {
    attention<B>::backward<Size>(b, batch, shape, part(qkv, 0, 3), part(qkv, 1, 3), part(qkv, 2, 3), part(y, 0, 1),
                                 lse.data(), part(dy, 0, 1), part(dqkv, 0, 3), part(dqkv, 1, 3), part(dqkv, 2, 3));
  }
  double flops(int products) const {
    return 2.0 * products * Size * shape.heads * batch.sequences * batch.length * (batch.length + 1) / 2;
  }
};

template <int Size> void run(benchmark::State& state, layout l, int sequences, int length, int heads) {
  Problem<Size> p(l, sequences, length, heads);
  for (auto _ : state) {
    p.forward();
    p.backward();
  }
  const auto rate = [](double flops) {
    return benchmark::Counter(flops / 1e9, benchmark::Counter::kIsIterationInvariantRate);
  };
  state.counters["GFLOP/s"] = rate(p.flops(7));
  const auto share = [&](double flops, auto f) {
    return bench::share_of_peak(bench::limit::f32, p.b.threads, flops, f, 9, 2).share;
  };
  state.counters["share"] = share(p.flops(7), [&] { p.forward(), p.backward(); });
  state.counters["share_forward"] = share(p.flops(2), [&] { p.forward(); });
  state.counters["share_backward"] = share(p.flops(5), [&] { p.backward(); });
}

void attention_f32(benchmark::State& state) { run<64>(state, layout::heads_first, 1, 1024, 12); }
void attention_nanogpt_f32(benchmark::State& state) { run<32>(state, layout::fused, 12, 64, 4); }
void attention_gpt2_f32(benchmark::State& state) { run<64>(state, layout::fused, 4, 64, 12); }

}  // namespace

BENCHMARK(attention_f32)->UseRealTime()->Unit(benchmark::kMillisecond);
BENCHMARK(attention_nanogpt_f32)->UseRealTime()->Unit(benchmark::kMillisecond);
BENCHMARK(attention_gpt2_f32)->UseRealTime()->Unit(benchmark::kMillisecond);
BENCHMARK_MAIN();
