// What a piece of work takes, in turns with a peer that does the same.
#pragma once
#include <benchmark/benchmark.h>

#include <string>
#include <vector>

#include "mixer.hpp"
#include "peak.hpp"
#include "peer.hpp"

namespace bench {

/// Nine runs of `own`: their seconds, the share of the multiply-add peak of so many operations, and the time of the
/// peer's `figure` over ours, from the first `peers` runs.
template <class F>
void beside(benchmark::State& state, F&& own, double flops, Peer& peer, const char* figure, int threads,
            int peers = 9) {
  std::vector<double> mine, theirs, ratios, shares;
  for (auto _ : state)
    for (int i = 0; i < 9; ++i) {
      own();
      const double half = flops / 4e11, before = peak(limit::f32, threads, half), start = now();
      own();
      mine.push_back(now() - start);
      shares.push_back(flops / mine.back() / (0.5 * (before + peak(limit::f32, threads, half))));
      if (!peer.present() || i >= peers) continue;
      theirs.push_back(peer.segment(1, figure));
      ratios.push_back(theirs.back() / mine.back());
    }
  state.counters["seconds"] = median(mine);
  state.counters["share"] = median(shares);
  if (ratios.empty()) return;
  state.counters["peer_seconds"] = median(theirs);
  state.counters["ratio"] = median(ratios);
  state.SetLabel("transformers" + std::string(" --threads ") + std::to_string(threads));
}

}  // namespace bench
