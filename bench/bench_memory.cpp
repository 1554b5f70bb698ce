// memory_gpt2: what training GPT-2 124M on 4 x 64 tokens really takes (the most resident memory of a process that does
// nothing else) over what was planned before it ran.
#include <benchmark/benchmark.h>

#include <vector>

#include <fauna/fauna.hpp>

namespace {

void memory_gpt2(benchmark::State& state) {
  using namespace fauna;
  Trained<Gpt2, Cpu<>> model(seed{1}, default_threads());
  std::vector<int> tokens(256, 1), targets(256, 2);
  model.prepare_training({.sequences = 4, .length = 64});
  for (auto _ : state) {
    model.accumulate(Batch::uniform(4, 64, tokens.data(), targets.data()));
    model.update({});
  }
  const auto planned = static_cast<double>(model.planned().total()),
             resident = static_cast<double>(peak_resident_bytes());
  state.counters["planned_bytes"] = planned;
  state.counters["resident_bytes"] = resident;
  state.counters["resident_over_plan"] = resident / planned;
}

}  // namespace

BENCHMARK(memory_gpt2)->Iterations(3)->UseRealTime()->Unit(benchmark::kMillisecond);
