// Decoding: how near the bandwidth of memory it comes, what more rows cost, and SmolLM2 beside llama.cpp.
#include <benchmark/benchmark.h>

#include <algorithm>
#include <cstdlib>
#include <fauna/backend/cpuid.hpp>
#include <fauna/fauna.hpp>
#include <memory>
#include <string>
#include <vector>

#include "support/bandwidth.hpp"
#include "support/decoder.hpp"
#include "support/peak.hpp"
#include "support/peer.hpp"

using namespace fauna;
using bench::median;

namespace {

template <class P> using On = Cpu<P>;

/// One-row decode of GPT-2 124M behind 128 tokens: each weight once (the position table not), and the cache.
template <class P> void decode_gpt2(benchmark::State& state) {
  using B = On<P>;
  constexpr int context = 128, steps = 8;
  Loaded<Gpt2, B> model = [] {
    const Trained<Gpt2, Cpu<>> random(seed{1});
    return Loaded<Gpt2, B>(const_cast<Trained<Gpt2, Cpu<>>&>(random).weights());
  }();
  bench::Decoder decoder(model, context, steps);
  const double weight = std::is_same_v<P, bf16_products> ? 2 : 4;
  const double bytes = weight * (static_cast<double>(parameters<Gpt2>) - 1024.0 * 768) + 12 * 2 * 768 * 4.0 * context;
  const Region memory(std::size_t{512} << 20);
  auto* const data = static_cast<float*>(memory.data());
  for (std::size_t i = 0; i < memory.bytes() / sizeof(float); i += 16) data[i] = 1;
  decoder.step(steps);
  std::vector<double> seconds, shares;
  for (auto _ : state) {
    for (int i = 0; i < 15; ++i) {
      const double before = bench::read_bandwidth(data, memory.bytes() / 4, model.threads(), 2),
                   s = decoder.step(steps), after = bench::read_bandwidth(data, memory.bytes() / 4, model.threads(), 2);
      seconds.push_back(s);
      shares.push_back(bytes / s / std::max(before, after));
    }
  }
  state.counters["seconds"] = median(seconds);
  state.counters["share"] = median(shares);
  state.counters["GB/s"] = bytes / median(seconds) * 1e-9;
  state.counters["limit GB/s"] = bytes / median(seconds) / median(shares) * 1e-9;
}
BENCHMARK(decode_gpt2<f32_products>)->Name("decode_gpt2_f32")->Iterations(1)->Unit(benchmark::kMillisecond);
BENCHMARK(decode_gpt2<bf16_products>)->Name("decode_gpt2_bf16")->Iterations(1)->Unit(benchmark::kMillisecond);

/// What `rows` rows cost over one row, with a matrix of 154 MB, in turns.
template <class P> double skinny_cost(int rows) {
  using B = On<P>;
  constexpr int k = 768;
  constexpr int n = std::is_same_v<P, bf16_products> ? 100514 : 50257;
  const Region weights(gemm<B>::packed_bytes(n, k)), scratch(gemm<B>::workspace(16, n, k, default_threads()));
  std::fill_n(static_cast<float*>(weights.data()), weights.bytes() / 4, 1e-3F);
  const std::vector<float> x(16 * k, 0.5F);
  std::vector<float> y(16 * static_cast<std::size_t>(n));
  Arena arena = scratch.arena();
  B b;
  b.scratch = &arena;
  const View<const packed<B>, dyn, dyn> w(static_cast<packed<B>*>(weights.data()), n, k);
  const auto seconds = [&](int m) {
    const double start = seconds_now();
    gemm<B>::nt(b, Matrix<const float>(x.data(), m, k), w, Matrix<float>(y.data(), m, n));
    return seconds_now() - start;
  };
  seconds(1);
  std::vector<double> ratios;
  for (int i = 0; i < 41; ++i) {
    const double one = seconds(1), many = seconds(rows), again = seconds(1);
    ratios.push_back(many / (0.5 * (one + again)));
  }
  return median(ratios);
}
template <int Rows> void skinny(benchmark::State& state) {
  double f32 = 0, half = 0;
  for (auto _ : state) {
    f32 = skinny_cost<f32_products>(Rows);
    half = skinny_cost<bf16_products>(Rows);
  }
  // without the instruction 8 rows of bf16 are as much arithmetic as of f32, for half of the bytes
  state.counters["cost"] = machine_isa() == isa::avx512bf16 ? std::max(f32, half) : f32;
  state.counters["f32"] = f32;
  state.counters["bf16"] = half;
}
BENCHMARK(skinny<4>)->Name("skinny_4")->Iterations(1);
BENCHMARK(skinny<8>)->Name("skinny_8")->Iterations(1);

/// SmolLM2-135M in bf16, and llama.cpp with the same weights as a BF16 GGUF file, in turns. FAUNA_SMOLLM2: the folder
/// that tools/smollm2 made.
void smollm2(benchmark::State& state, bool prefill) {
  const char* folder = std::getenv("FAUNA_SMOLLM2");
  if (folder == nullptr) return state.SkipWithError("FAUNA_SMOLLM2 names no folder: run tools/smollm2 once");
  using B = On<bf16_products>;
  Loaded<SmolLm2_135M, B> model(SafeTensors(std::string(folder) + "/bf16"));
  bench::Decoder decoder(model, 128, 512);
  bench::Peer peer("llamacpp.py", std::string(folder) + "/bf16.gguf --threads " + std::to_string(model.threads()));
  const int count = prefill ? 3 : 64;
  const auto own = [&] {
    if (!prefill) return decoder.step(count);
    double sum = 0;
    for (int i = 0; i < count; ++i) sum += decoder.prefill(512);
    return sum / count;
  };
  own();
  peer.segment(1, prefill ? "prefill" : "decode");
  std::vector<double> mine, theirs, ratios;
  for (auto _ : state)
    for (int i = 0; i < 9; ++i) {
      mine.push_back(own());
      if (!peer.present()) continue;
      theirs.push_back(peer.segment(count, prefill ? "prefill" : "decode"));
      ratios.push_back(theirs.back() / mine.back());
    }
  const double tokens = prefill ? 512 : 1;
  state.counters["tokens/s"] = tokens / median(mine);
  if (ratios.empty()) return;
  state.counters["peer tokens/s"] = tokens / median(theirs);
  state.counters["ratio"] = median(ratios);
  state.SetLabel(bench::llama_label(peer, model.threads()));
}
BENCHMARK_CAPTURE(smollm2, decode, false)->Name("smollm2_decode_bf16")->Iterations(1);
BENCHMARK_CAPTURE(smollm2, prefill, true)->Name("smollm2_prefill_bf16")->Iterations(1);

}  // namespace
