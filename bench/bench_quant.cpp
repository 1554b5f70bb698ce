// Weights in blocks: how near the bandwidth of memory a product of one row comes, what more rows cost, and SmolLM2
// beside llama.cpp on the same file.
#include <benchmark/benchmark.h>

#include <algorithm>
#include <cstdlib>
#include <fauna/decode/in_blocks.hpp>
#include <fauna/fauna.hpp>
#include <string>
#include <vector>

#include "support/bandwidth.hpp"
#include "support/decoder.hpp"
#include "support/peak.hpp"

using namespace fauna;
using bench::median;

namespace {

using B = Cpu<>;

/// A matrix of about 154 MB in blocks: over four times the last cache of the machines that are measured.
struct Matrix154 {
  static constexpr int k = 1024;
  BlockCode code;
  int n;
  Region weights, scratch;
  Arena arena;
  std::vector<float> x, y;

  explicit Matrix154(BlockCode const& c)
      : code(c),
        n(static_cast<int>(154'000'000 / gemm_detail::BlockPanels{8, k, c}.bytes()) * 8),
        weights(gemm_detail::BlockPanels{n, k, c}.bytes()),
        scratch(gemm<B>::workspace(16, n, k, default_threads())),
        arena(scratch.arena()),
        x(16 * k, 0.5F),
        y(16 * static_cast<std::size_t>(n)) {
    std::fill_n(static_cast<unsigned char*>(weights.data()), weights.bytes(), static_cast<unsigned char>(0x21));
  }
  double seconds(int m) {
    B b;
    b.scratch = &arena;
    const BlocksOf<B> w{static_cast<const std::byte*>(weights.data()), n, k, code};
    const double start = seconds_now();
    gemm<B>::nt(b, Matrix<const float>(x.data(), m, k), w, Matrix<float>(y.data(), m, n));
    return seconds_now() - start;
  }
};

constexpr const char* measured[] = {"Q8_0", "Q4_0", "Q4_1", "Q5_0", "Q5_1", "Q4_K"};

/// Bytes of weights a second of one row, as a share of what can be read.
void bandwidth(benchmark::State& state) {
  double worst = 1;
  for (auto _ : state)
    for (const char* type : measured) {
      Matrix154 w(block_format(type)->code);
      const auto* const data = static_cast<const float*>(w.weights.data());
      w.seconds(1);
      std::vector<double> shares;
      for (int i = 0; i < 21; ++i) {
        const double before = bench::read_bandwidth(data, w.weights.bytes() / 4, default_threads(), 1),
                     s = w.seconds(1), after = bench::read_bandwidth(data, w.weights.bytes() / 4, default_threads(), 1);
        shares.push_back(static_cast<double>(w.weights.bytes()) / s / std::max(before, after));
      }
      state.counters[type] = median(shares);
      worst = std::min(worst, median(shares));
    }
  state.counters["share"] = worst;
}
BENCHMARK(bandwidth)->Name("quant_bandwidth")->Iterations(1);

/// What 8 rows cost over one.
void skinny_8(benchmark::State& state) {
  double worst = 0;
  for (auto _ : state)
    for (const char* type : measured) {
      Matrix154 w(block_format(type)->code);
      w.seconds(8);
      std::vector<double> ratios;
      for (int i = 0; i < 21; ++i) {
        const double one = w.seconds(1), many = w.seconds(8), again = w.seconds(1);
        ratios.push_back(many / (0.5 * (one + again)));
      }
      state.counters[type] = median(ratios);
      worst = std::max(worst, median(ratios));
    }
  state.counters["cost"] = worst;
}
BENCHMARK(skinny_8)->Name("quant_skinny_8")->Iterations(1);

/// SmolLM2-135M from FAUNA_SMOLLM2/TYPE.gguf, and llama.cpp with the same file, in turns.
void decode(benchmark::State& state, std::string const& type) {
  const char* folder = std::getenv("FAUNA_SMOLLM2");
  if (folder == nullptr) return state.SkipWithError("FAUNA_SMOLLM2 names no folder with Q8_0.gguf and Q4_0.gguf");
  const std::string file = std::string(folder) + '/' + type + ".gguf";
  Loaded<SmolLm2_135M, B, InBlocks<B>> model(open_tensors(file));
  bench::Decoder decoder(model, 128, 512);
  bench::Peer peer("llamacpp.py", file + " --threads " + std::to_string(model.threads()));
  constexpr int count = 64;
  decoder.step(count);
  peer.segment(1, "decode");
  std::vector<double> mine, theirs, ratios;
  for (auto _ : state)
    for (int i = 0; i < 9; ++i) {
      mine.push_back(decoder.step(count));
      if (!peer.present()) continue;
      theirs.push_back(peer.segment(count, "decode"));
      ratios.push_back(theirs.back() / mine.back());
    }
  state.counters["tokens/s"] = 1 / median(mine);
  if (ratios.empty()) return;
  state.counters["peer tokens/s"] = 1 / median(theirs);
  state.counters["ratio"] = median(ratios);
  state.SetLabel(bench::llama_label(peer, model.threads()));
}
BENCHMARK_CAPTURE(decode, q8, "Q8_0")->Name("decode_q8")->Iterations(1);
BENCHMARK_CAPTURE(decode, q4_0, "Q4_0")->Name("decode_q4_0")->Iterations(1);

}  // namespace
