// The rate at which memory can be read: several streams a thread, as near each other as those of a product, reduced
// with max, which no latency of arithmetic limits.
#pragma once
#include <fauna/backend/cpu.hpp>
#include <fauna/backend/memory.hpp>
#include <fauna/backend/simd.hpp>
#include <fauna/io/clock.hpp>

namespace bench {

/// Bytes per second of one pass over n floats, 64 MB or more, the best of a few: a cache line of each stream in turn.
inline double read_bandwidth(const float* data, std::size_t n, int threads, int passes = 3) {
  constexpr int W = fauna::Cpu<>::lanes, streams = 4, line = 16;
  constexpr std::size_t apart = 49152;  // 192 KB, as panels of 3072 x 16; powers of two apart were slower on Zen 3
  double best = 0;
  for (int pass = 0; pass < passes; ++pass) {
    volatile float sink = 0;
    std::size_t read = 0;
    const double start = fauna::seconds_now();
    fauna::parallel(threads, [&](fauna::Team team) {
      const auto team_threads = static_cast<std::size_t>(team.threads);
      const std::size_t part = n / team_threads / (streams * apart) * (streams * apart);
      const float* const from = data + part * static_cast<std::size_t>(team.thread);
      fauna::simd::vfloat<W> most[streams]{};
      for (std::size_t block = 0; block < part; block += streams * apart) {
        for (std::size_t i = block; i < block + apart; i += line) {
          FAUNA_UNROLL
          for (int at = 0; at < streams * line; at += W) {
            const int s = at / line;
            fauna::simd::vfloat<W> v;
            fauna::simd::load<W>(v, from + i + static_cast<std::size_t>(s) * apart + at % line);
            most[s] = v > most[s] ? v : most[s];
          }
        }
      }
      for (int s = 1; s < streams; ++s) most[0] = most[s] > most[0] ? most[s] : most[0];
      if (team.thread == 0) {
        sink = most[0][0];
        read = part * team_threads;
      }
    });
    const double rate = 4.0 * static_cast<double>(read) / (fauna::seconds_now() - start);
    best = rate > best ? rate : best;
  }
  return best;
}

}  // namespace bench
