// Mamba-3's mixer between its projections, 512 rows at the sizes of mamba2-130m (24 heads of 64 columns and 128 states,
// one group) with 32 angles: gates, heads turned by angles, recurrence and what skips it; forward, and forward and
// backward, which counts four times the FLOPs of the block (the recurrence runs forward again).
#include <benchmark/benchmark.h>

#include <fauna/blocks/mamba3.hpp>
#include <fauna/core/rng.hpp>
#include <fauna/ops/cpu.hpp>
#include <vector>

#include "support/memory.hpp"

using namespace fauna;

namespace {

using B = Cpu<>;
using Block = Mamba3Core<Mamba3Sizes{}>;
constexpr int T = 512;

std::vector<float> random(std::size_t n, std::uint64_t stream) {
  std::vector<float> v(n);
  const Key key{1, stream};
  for (std::size_t i = 0; i < n; ++i) v[i] = key.uniform(i) * 2 - 1;
  return v;
}
void mamba3_core(benchmark::State& run) {
  const bool backward = run.range(0) != 0;
  const Shape shape{.sequences = 1, .length = T, .threads = static_cast<int>(run.range(1)), .backward = backward};
  auto values = random(count_parameters<Block>(), 1), gradients = values;
  Block::Weights<All<float>> w, dw;
  const auto bind = [](std::vector<float>& all) {
    return [at = all.data()](Tensor const& t, auto& v) mutable {
      v = Matrix<float>(at, t.rows, t.cols);
      at += t.size();
    };
  };
  Block::visit(w, Place{}, bind(values));
  Block::visit(dw, Place{}, bind(gradients));

  Block::Saved<float> saved;
  Block::State<float> none;
  Arena of_saved, of_scratch;
  Block::plan(saved, shape, of_saved);
  Block::plan_scratch<B>(shape, of_scratch);
  Memory kept(of_saved.high_water()), scratch(of_scratch.high_water());
  Block::plan(saved, shape, kept.arena);
  const Batch batch = Batch::uniform(1, T);
  Call<B> call;
  call.backend.threads = shape.threads;
  call.backend.scratch = &scratch.arena;
  call.batch = &batch;
  call.mode = backward ? mode::train : mode::eval;

  const auto u = random(static_cast<std::size_t>(T) * Block::in, 2),
             dy = random(static_cast<std::size_t>(T) * Block::out, 3);
  auto du = u, y = dy;
  const View<const float, dyn, Block::in> rows(u.data(), T);
  for (auto _ : run) {
    Block::forward(call, w, none, rows, View<float, dyn, Block::out>(y.data(), T), saved);
    if (backward)
      Block::backward(call, w, dw, rows, saved, View<const float, dyn, Block::out>(dy.data(), T),
                      View<float, dyn, Block::in>(du.data(), T), none);
    benchmark::DoNotOptimize(y.data());
  }
  run.counters["FLOP/s"] =
      benchmark::Counter((backward ? 4 : 1) * T * Block::flops(0), benchmark::Counter::kIsIterationInvariantRate);
}

}  // namespace

BENCHMARK(mamba3_core)->Args({0, 1})->Args({1, 1})->Args({0, 2})->Args({1, 2})->UseRealTime();

BENCHMARK_MAIN();
