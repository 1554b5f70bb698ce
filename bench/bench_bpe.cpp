// bpe_mb_s: megabytes of Tiny Shakespeare ($FAUNA_TEXT) that SmolLM2's tokenizer ($FAUNA_SMOLLM2, see tools/smollm2)
// encodes in a second, line by line on one thread, taking turns with the `tokenizers` package (support/peer.hpp).
#include <benchmark/benchmark.h>

#include <string>
#include <vector>

#include <fauna/io/clock.hpp>
#include <fauna/text/bpe.hpp>

#include "support/peak.hpp"
#include "support/peer.hpp"

namespace {

void bpe_mb_s(benchmark::State& state) {
  const char *folder = std::getenv("FAUNA_SMOLLM2"), *path = std::getenv("FAUNA_TEXT");
  if (folder == nullptr) return state.SkipWithError("FAUNA_SMOLLM2 names no folder: run tools/smollm2 once");
  if (path == nullptr) return state.SkipWithError("set FAUNA_TEXT to Tiny Shakespeare's input.txt");
  const std::string file = folder + std::string("/bf16/tokenizer.json"), text = fauna::read_file(path);
  const fauna::Bpe bpe = fauna::Bpe::from_file(file);
  std::vector<std::string_view> lines;
  for (std::size_t at = 0, end; at < text.size(); at = end + 1) {
    end = text.find('\n', at);
    if (end == std::string::npos) end = text.size();
    lines.push_back(std::string_view(text).substr(at, end - at));
  }
  std::size_t tokens = 0;
  const auto segment = [&](int n) {
    const double start = fauna::seconds_now();
    for (int i = 0; i < n; ++i) {
      tokens = 0;
      for (const std::string_view line : lines) tokens += bpe.encode(line).size();
    }
    return (fauna::seconds_now() - start) / n;
  };
  bench::Peer peer("bpe.py", '"' + file + "\" \"" + path + '"');
  segment(1);
  peer.segment(1);
  std::vector<double> mine, theirs, ratios;
  for (auto _ : state) {
    for (int i = 0; i < 7; ++i) {
      mine.push_back(segment(10));
      if (!peer.present()) continue;
      theirs.push_back(peer.segment(1));
      ratios.push_back(theirs.back() / mine.back());
    }
    state.SetIterationTime(bench::median(mine));
  }
  const auto megabytes = static_cast<double>(text.size()) / 1e6;
  state.counters["MB/s"] = megabytes / bench::median(mine);
  state.counters["tokens"] = static_cast<double>(tokens);
  if (!peer.present()) return state.SetLabel("the peer is absent");
  state.counters["peer MB/s"] = megabytes / bench::median(theirs);
  state.counters["ratio"] = bench::median(ratios);
  state.SetLabel("tokenizers, one thread");
}

}  // namespace

BENCHMARK(bpe_mb_s)->UseManualTime()->Iterations(1)->Unit(benchmark::kMillisecond);
