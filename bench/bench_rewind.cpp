// What it takes a recurrent state to go back, by policy (decode/speculate/rewind.hpp): steps with drafts of four
// tokens, of which two stay, behind 64 others, in f32.
//   rewind_MODEL_POLICY   milliseconds of a step, of which each comes to three tokens; beside it those of a pass over
//                         one token in the same run, and what is kept of a draft. Four layers of mamba-130m and of
//                         mamba2-130m, with a small vocabulary
#include <benchmark/benchmark.h>

#include <vector>

#include <fauna/decode/loaded.hpp>
#include <fauna/decode/speculate/reader.hpp>
#include <fauna/models/mamba.hpp>
#include <fauna/models/mamba2.hpp>
#include <fauna/ops/cpu.hpp>
#include <fauna/train/trained.hpp>

#include "support/peak.hpp"

using namespace fauna;
using bench::median;

namespace {

constexpr int prompt = 64, steps = 8, draft = 4, stay = 2;
using SmallMamba = Mamba<MambaConfig{.layers = 4, .vocab = 1024}>;
using SmallMamba2 = Mamba2<Mamba2Config{.layers = 4, .vocab = 1024}>;

/// Bytes that are kept of a draft.
template <class M> std::size_t kept(Loaded<M, Cpu<>>& model, rewinds how) {
  if (how == rewinds::replay) return 0;
  if (how == rewinds::copy) return state_bytes<M>(Shape{.context = 0});
  const std::vector<int> ids(draft + 1, 1);
  Cache<M, Cpu<>> cache(1);
  StatesByRow<Cache<M, Cpu<>>> states;
  Batch b = Batch::uniform(1, draft + 1, ids.data());
  states.begin(how, cache, b, [](int) { return true; });
  model.prepare_inference({.sequences = 1, .length = b.rows});
  model.logits(cache, b, logit_rows::none, Matrix<float>());
  return states.bytes();
}

template <class M> void measure(benchmark::State& state, rewinds how) {
  using B = Cpu<>;
  Trained<M, B> random(seed{1});
  Loaded<M, B> model(random.weights());
  std::vector<int> text;
  for (int i = 0; i < prompt + steps * (stay + 1) + draft + 1; ++i) text.push_back(1 + i * 41 % (M::vocab - 1));
  std::vector<double> seconds, plain;
  for (auto _ : state)
    for (int round = 0; round < 11; ++round) {
      Reader<Loaded<M, B>> reader(model, 256, 512, no_adapter, how);
      reader.logits(text.data(), prompt, 1, prompt);
      double start = bench::now();
      for (int s = 0; s < steps; ++s) {
        const int n = prompt + s * (stay + 1) + 1;
        std::vector<int> ids(text.begin(), text.begin() + n + draft);
        for (int i = n + stay; i < n + draft; ++i) ids[static_cast<std::size_t>(i)] = 0;  // what does not stay
        benchmark::DoNotOptimize(reader.logits(ids.data(), n + draft, draft + 1, n));
      }
      seconds.push_back((bench::now() - start) / steps);
      const int n = reader.length();
      reader.logits(text.data(), n - draft, 1, n - draft);
      start = bench::now();
      for (int i = 1; i < draft; ++i) reader.logits(text.data(), n - draft + i, 1, n - draft + i);
      plain.push_back((bench::now() - start) / (draft - 1));
    }
  state.counters["ms a step"] = 1e3 * median(seconds);
  state.counters["ms a plain token"] = 1e3 * median(plain);
  state.counters["kept, MiB"] = static_cast<double>(kept(model, how)) / (1 << 20);
}
void mamba(benchmark::State& state, rewinds how) { measure<SmallMamba>(state, how); }
BENCHMARK_CAPTURE(mamba, all_states, rewinds::all_states)->Name("rewind_mamba_all_states")->Iterations(1);
BENCHMARK_CAPTURE(mamba, factors, rewinds::factors)->Name("rewind_mamba_factors")->Iterations(1);
BENCHMARK_CAPTURE(mamba, copy, rewinds::copy)->Name("rewind_mamba_copy")->Iterations(1);
BENCHMARK_CAPTURE(mamba, replay, rewinds::replay)->Name("rewind_mamba_replay")->Iterations(1);
void mamba2(benchmark::State& state, rewinds how) { measure<SmallMamba2>(state, how); }
BENCHMARK_CAPTURE(mamba2, all_states, rewinds::all_states)->Name("rewind_mamba2_all_states")->Iterations(1);
BENCHMARK_CAPTURE(mamba2, factors, rewinds::factors)->Name("rewind_mamba2_factors")->Iterations(1);
BENCHMARK_CAPTURE(mamba2, copy, rewinds::copy)->Name("rewind_mamba2_copy")->Iterations(1);
BENCHMARK_CAPTURE(mamba2, replay, rewinds::replay)->Name("rewind_mamba2_replay")->Iterations(1);

}  // namespace
