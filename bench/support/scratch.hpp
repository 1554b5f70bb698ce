// What benchmarks of kernels need beside them: numbers to work on, memory to work in, and the time.
#pragma once
#include <cstdlib>
#include <ctime>
#include <vector>

#include <fauna/backend/cpu.hpp>
#include <fauna/core/rng.hpp>
#include <fauna/core/view.hpp>

#include "peak.hpp"

namespace bench {

/// Uniform in [from, from + range), as a matrix that owns its numbers.
struct Numbers {
  int rows, cols;
  std::vector<float> all;
  Numbers(int rows_, int cols_, std::uint64_t stream, float from = -1, float range = 2)
      : rows(rows_), cols(cols_), all(static_cast<std::size_t>(rows_) * static_cast<std::size_t>(cols_)) {
    const fauna::Key key{1, stream};
    for (std::size_t i = 0; i < all.size(); ++i) all[i] = key.uniform(i) * range + from;
  }
  float* data() { return all.data(); }
  const float* data() const { return all.data(); }
  fauna::Matrix<float> view() { return fauna::Matrix<float>(all.data(), rows, cols); }
  fauna::Matrix<const float> read() const { return fauna::Matrix<const float>(all.data(), rows, cols); }
  void clear() {
    for (float& x : all) x = 0;
  }
};

/// Memory for an arena, zeros at first.
class Scratch {
 public:
  explicit Scratch(std::size_t bytes)
      : data_(std::aligned_alloc(fauna::alignment, fauna::aligned(bytes + 1))),
        arena_(data_, fauna::aligned(bytes + 1)) {
    for (std::size_t i = 0; i < bytes; ++i) static_cast<char*>(data_)[i] = 0;
  }
  Scratch(Scratch const&) = delete;
  Scratch& operator=(Scratch const&) = delete;
  ~Scratch() { std::free(data_); }
  fauna::Arena& arena() { return arena_; }
  fauna::Cpu<> on(int threads) { return {.threads = threads, .scratch = &arena_}; }

 private:
  void* data_;
  fauna::Arena arena_;
};
/// For kernels that take no memory.
inline fauna::Cpu<> one_thread() { return {.threads = 1, .scratch = nullptr}; }

/// Seconds that this thread has had a processor: what others take of a shared machine is not counted.
inline double thread_now() {
  timespec t{};
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
  return static_cast<double>(t.tv_sec) + 1e-9 * static_cast<double>(t.tv_nsec);
}
/// Of f on this thread alone.
template <class F> double thread_seconds(F&& f) {
  const double start = thread_now();
  f();
  return thread_now() - start;
}
/// The share of one thread's multiply-add peak that f reaches, worth `flops`: in turns with the peak loop.
template <class F> Share thread_share(double flops, F&& f, int samples = 41) {
  std::vector<double> rates, peaks, shares;
  f();
  const double mine = thread_seconds(f);
  const auto most = [half = mine / 2] {
    constexpr double round = round_flops(limit::f32);
    const long n = static_cast<long>(100e9 * half / round) + 1;
    return round * static_cast<double>(n) / thread_seconds([n] { rounds(limit::f32, n); });
  };
  for (int i = 0; i < samples; ++i) {
    const double before = most(), rate = flops / thread_seconds(f);
    rates.push_back(rate);
    peaks.push_back((before + most()) / 2);
    shares.push_back(rate / peaks.back());
  }
  return {median(rates), median(peaks), median(shares), samples};
}

}  // namespace bench
