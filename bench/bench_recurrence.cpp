// The recurrence of linear attention's kin: 512 rows of 12 heads of 64 keys and 64 values, forward and with backward.
// FLOPs: fading, writing and reading a state are 5 K N a row and head, with a removal 7 K N; backward runs that again,
// and takes twice as many.
#include <benchmark/benchmark.h>

#include <cstdlib>
#include <fauna/core/rng.hpp>
#include <fauna/ops/recurrence/cpu.hpp>
#include <string>
#include <vector>

using namespace fauna;

namespace {

constexpr int T = 512, H = 12, K = 64, N = 64;
constexpr float fixed[H] = {0.9F, 0.9F, 0.9F, 0.9F, 0.9F, 0.9F, 0.9F, 0.9F, 0.9F, 0.9F, 0.9F, 0.9F};

/// Rows of numbers up to `by`.
struct Rows {
  std::vector<float> all;
  int cols;
  Rows(int columns, std::uint64_t stream, float by) : all(static_cast<std::size_t>(T * columns)), cols(columns) {
    const Key key{1, stream};
    for (std::size_t i = 0; i < all.size(); ++i) all[i] = key.uniform(i) * by;
  }
  operator Matrix<float>() { return Matrix<float>(all.data(), T, cols); }
  operator Matrix<const float>() const { return Matrix<const float>(all.data(), T, cols); }
};

template <Recurrence R> void recur(benchmark::State& state, int threads, bool backward) {
  using B = Cpu<>;
  const RecurrenceShape n{.heads = H, .key_heads = H, .keys = K, .values = N, .scale = 0.125F, .fixed = fixed};
  const int fades_of = R.fade == fades::by_key ? H * K : H;
  Rows q(H * K, 1, 0.125F), k(H * K, 2, 0.125F), v(H * N, 3, 1), fade(fades_of, 4, 1), beta(H, 5, 1), y(H * N, 6, 1),
      dy(H * N, 7, 1), dq(H * K, 8, 1), dk(H * K, 9, 1), dv(H * N, 10, 1), dfade(fades_of, 11, 1), dbeta(H, 12, 1);
  std::vector<float> kept(static_cast<std::size_t>(recurrence_kept(T, 1) * H * K * N));
  const std::size_t bytes = recurrence<R, B>::workspace(n, threads);
  void* const memory = std::aligned_alloc(alignment, aligned(bytes + 1));
  Arena scratch(memory, aligned(bytes + 1));
  B b;
  b.threads = threads;
  b.scratch = &scratch;
  const Batch batch = Batch::uniform(1, T);
  const RecurrenceRows<const float> in{q, k, v, fade, beta, {}, {}, {}};
  const Matrix<float> states(kept.data(), static_cast<int>(kept.size()) / N, N);
  for (auto _ : state) {
    recurrence<R, B>::forward(b, batch, n, in, {}, y, backward ? states : Matrix<float>());
    if (backward) recurrence<R, B>::backward(b, batch, n, in, states, dy, {dq, dk, dv, dfade, dbeta, {}, {}, {}}, {});
    benchmark::DoNotOptimize(y.all.data());
  }
  std::free(memory);
  const double flops = (R.erase == erases::nothing ? 5.0 : 7.0) * K * N * H * T * (backward ? 4 : 1);
  state.counters["GFLOP/s"] = benchmark::Counter(flops / 1e9, benchmark::Counter::kIsIterationInvariantRate);
}

template <Recurrence R> void add(std::string const& name) {
  for (const int threads : {1, default_threads()})
    for (const bool backward : {false, true})
      benchmark::RegisterBenchmark((name + (backward ? "_train" : "") + "/threads:" + std::to_string(threads)).c_str(),
                                   [=](benchmark::State& state) { recur<R>(state, threads, backward); })
          ->UseRealTime();
}

const bool added = [] {
  add<Recurrence{.fade = fades::fixed}>("retention");
  add<Recurrence{.fade = fades::by_key}>("gla");
  add<Recurrence{.fade = fades::by_head, .erase = erases::delta, .strength = true}>("gated_delta");
  add<Recurrence{.fade = fades::by_key, .erase = erases::delta, .strength = true}>("kda");
  return true;
}();

}  // namespace

BENCHMARK_MAIN();
