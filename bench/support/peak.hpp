// What the machine can do at most, measured beside what is being measured: loops of multiply-adds on registers alone,
// and a loop of reads over memory. Written in assembly, since a compiler may move or drop arithmetic without a use.
#pragma once
#include <sys/resource.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <cstdio>
#include <vector>

#include <fauna/backend/cpu.hpp>

namespace bench {

inline double now() {
  return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count();
}

enum class limit { f32, bf16 };

#if defined(__AVX512F__)
inline constexpr int peak_lanes = 16;
#define BENCH_VECTOR __attribute__((vector_size(64)))
#elif defined(__AVX2__) && defined(__FMA__)
inline constexpr int peak_lanes = 8;
#define BENCH_VECTOR __attribute__((vector_size(32)))
#else
inline constexpr int peak_lanes = 4;
#define BENCH_VECTOR __attribute__((vector_size(16)))
#endif

/// Independent chains, as many as registers allow: two pipes with a latency of 4 to 6 cycles want at least 12.
#if defined(__AVX512F__)
inline constexpr int peak_chains = 24;
#define BENCH_ALL(op)                                                                                           \
  op(c0) op(c1) op(c2) op(c3) op(c4) op(c5) op(c6) op(c7) op(c8) op(c9) op(c10) op(c11) op(c12) op(c13) op(c14) \
      op(c15) op(c16) op(c17) op(c18) op(c19) op(c20) op(c21) op(c22) op(c23)
#else
inline constexpr int peak_chains = 12;
#define BENCH_ALL(op) op(c0) op(c1) op(c2) op(c3) op(c4) op(c5) op(c6) op(c7) op(c8) op(c9) op(c10) op(c11)
#endif
/// FLOPs of one round, all lanes.
constexpr double round_flops(limit l) { return peak_chains * 2.0 * peak_lanes * (l == limit::bf16 ? 2 : 1); }

__attribute__((noinline)) inline void rounds(limit l, long n) {
  typedef float vector BENCH_VECTOR;
  const vector a{}, b{};
#define BENCH_DECLARE(c) vector c{};
  BENCH_ALL(BENCH_DECLARE)
#undef BENCH_DECLARE
#if defined(__AVX512F__) || defined(__FMA__)
#define BENCH_F32(c) asm volatile("vfmadd231ps %1, %2, %0" : "+v"(c) : "v"(a), "v"(b));
#elif defined(__AVX__)
#define BENCH_F32(c) asm volatile("vmulps %1, %0, %0\n\tvaddps %2, %0, %0" : "+x"(c) : "x"(a), "x"(b));
#else
#define BENCH_F32(c) asm volatile("mulps %1, %0\n\taddps %2, %0" : "+x"(c) : "x"(a), "x"(b));
#endif
#ifdef __AVX512BF16__
#define BENCH_BF16(c) asm volatile("vdpbf16ps %1, %2, %0" : "+v"(c) : "v"(a), "v"(b));
#else
#define BENCH_BF16(c) BENCH_F32(c) BENCH_F32(c)
#endif
  if (l == limit::f32)
    for (long i = 0; i < n; ++i) {
      BENCH_ALL(BENCH_F32)
    }
  else
    for (long i = 0; i < n; ++i) {
      BENCH_ALL(BENCH_BF16)
    }
#undef BENCH_ALL
#undef BENCH_F32
#undef BENCH_BF16
}
#undef BENCH_VECTOR

/// FLOP/s of multiply-adds on `threads` threads, measured for about `seconds`.
inline double peak(limit l, int threads, double seconds = 1e-3) {
  static double best[2] = {20e9, 20e9};  // of one thread so far: decides how many rounds to run
  double& r = best[l == limit::bf16];
  const long n = static_cast<long>(r * seconds / round_flops(l)) + 1;
  const double start = now();
  fauna::parallel(threads, [&](fauna::Team) { rounds(l, n); });
  const double rate = round_flops(l) * static_cast<double>(n) / (now() - start);
  r = std::max(r, rate);
  return rate * threads;
}

/// Bytes/s of reading `bytes` of memory, far more than the caches hold, in equal parts by `threads` threads.
inline double read_bandwidth(int threads, std::size_t bytes = std::size_t{256} << 20) {
  static std::vector<char> memory;
  if (memory.size() < bytes + 64) memory.assign(bytes + 64, 1);
  const char* const base = memory.data();
  const double start = now();
  fauna::parallel(threads, [&](fauna::Team team) {
    const std::size_t part = bytes / 256 / static_cast<std::size_t>(team.threads) * 256;
    const char* p = base + part * static_cast<std::size_t>(team.thread);
    for (const char* end = p + part; p < end; p += 256) {
#if defined(__AVX512F__)
      asm volatile(
          "vmovups (%0), %%zmm0\n\tvmovups 64(%0), %%zmm1\n\tvmovups 128(%0), %%zmm2\n\tvmovups 192(%0), %%zmm3"
          :
          : "r"(p)
          : "xmm0", "xmm1", "xmm2", "xmm3", "memory");
#else
      for (int i = 0; i < 256; i += 16) asm volatile("movups (%0), %%xmm0" : : "r"(p + i) : "xmm0", "memory");
#endif
    }
  });
  return static_cast<double>(bytes) / (now() - start);
}

inline double median(std::vector<double> v) {
  if (v.empty()) return 0;
  std::sort(v.begin(), v.end());
  return v[v.size() / 2];
}

/// Times this process was taken off a processor: a sample during which it grew has measured somebody else's work too.
inline long preemptions() {
  rusage r{};
  getrusage(RUSAGE_SELF, &r);
  return r.ru_nivcsw;
}

/// Waits until nothing else wants a processor, or `deadline` has come.
inline void wait_for_quiet(double deadline) {
  int runnable = 2;
  while (runnable > 1 && now() < deadline) {
    usleep(10000);
    std::FILE* f = std::fopen("/proc/loadavg", "r");
    if (f == nullptr) return;
    if (std::fscanf(f, "%*f %*f %*f %d", &runnable) != 1) runnable = 1;
    std::fclose(f);
  }
}

struct Share {
  double rate = 0;   ///< FLOP/s, median
  double peak = 0;   ///< FLOP/s of the loop above, median
  double share = 0;  ///< median over the samples of rate / peak
  int clean = 0;     ///< samples that were hardly disturbed
};

/// Runs f, worth `flops` each time, in samples of a few milliseconds, with the peak loop for half as long before and
/// after each: a host that other guests slow down for a while slows both, and a sample's share is taken of the mean of
/// its two peaks. Samples with more than a preemption in 20 ms are dropped and tried again a little later, until
/// `patience` seconds have passed. With fewer than three clean samples nothing has been measured: zeros.
template <class F>
Share share_of_peak(limit l, int threads, double flops, F&& f, int wanted = 21, double patience = 10) {
  std::vector<double> rates, peaks, shares;
  for (int i = 0; i < 3; ++i) peak(l, threads);
  const double lasts = flops / (0.8 * peak(l, threads));  // about, once
  const int times = std::max(1, static_cast<int>(3e-3 / lasts));
  const double half = lasts * times / 2;
  const double start = now();
  while (static_cast<int>(shares.size()) < wanted && now() - start < patience) {
    f();
    const long before = preemptions();
    const double p0 = peak(l, threads, half), t0 = now();
    for (int i = 0; i < times; ++i) f();
    const double elapsed = now() - t0, p1 = peak(l, threads, half);
    const double rate = flops * times / elapsed, most = (p0 + p1) / 2;
    if (static_cast<double>(preemptions() - before) > 2 * elapsed / 20e-3) {
      wait_for_quiet(start + patience);
      continue;
    }
    rates.push_back(rate);
    peaks.push_back(most);
    shares.push_back(rate / most);
  }
  const int clean = static_cast<int>(shares.size());
  if (clean < 3) return {0, 0, 0, clean};
  return {median(rates), median(peaks), median(shares), clean};
}

}  // namespace bench
