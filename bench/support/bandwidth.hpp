// The rate at which memory can be read: several streams a thread, reduced with max, which no latency of arithmetic
// limits.
#pragma once
#include <fauna/backend/cpu.hpp>
#include <fauna/backend/memory.hpp>
#include <fauna/backend/simd.hpp>
#include <fauna/io/clock.hpp>

namespace bench {

/// Bytes per second of one pass over n floats, the best of a few.
inline double read_bandwidth(const float* data, std::size_t n, int threads, int passes = 3) {
  constexpr int W = fauna::Cpu<>::lanes, streams = 4;
  double best = 0;
  for (int pass = 0; pass < passes; ++pass) {
    volatile float sink = 0;
    const double start = fauna::seconds_now();
    fauna::parallel(threads, [&](fauna::Team team) {
      const std::size_t size = n / static_cast<std::size_t>(team.threads) / streams / W * W;
      const float* from = data + size * streams * static_cast<std::size_t>(team.thread);
      fauna::simd::vfloat<W> most[streams]{};
      for (std::size_t i = 0; i < size; i += W)
        for (int s = 0; s < streams; ++s) {
          fauna::simd::vfloat<W> v;
          fauna::simd::load<W>(v, from + static_cast<std::size_t>(s) * size + i);
          most[s] = v > most[s] ? v : most[s];
        }
      for (int s = 1; s < streams; ++s) most[0] = most[s] > most[0] ? most[s] : most[0];
      if (team.thread == 0) sink = most[0][0];
    });
    const double rate = static_cast<double>(n) * sizeof(float) / (fauna::seconds_now() - start);
    best = rate > best ? rate : best;
  }
  return best;
}

}  // namespace bench
