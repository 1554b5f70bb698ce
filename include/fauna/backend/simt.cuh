// How kernels are written: against a thread, not against CUDA, so that nvcc compiles them for a GPU and a host compiler
// runs the same source on a processor (tests/support/simt.hpp).
//
// A kernel is a struct: its members are the arguments, `threads` the size of a block (whole warps), `Shared` the
// block's memory (uninitialised), and operator() what each thread does:
//
//   struct Twice {
//     static constexpr int threads = 256;
//     using Shared = None;
//     Matrix<float> y;
//     template <class T> FAUNA_KERNEL void operator()(T const& t, Shared&) const { ... }
//   };
//
// A thread t knows t.index() in its block, t.block() of t.blocks(), its t.lane() of 32 and its t.warp(). The block
// meets at t.sync() and t.sync_or(bool); a warp in t.lane_xor(value, mask), t.lane_down(value, n), t.from_lane(value,
// i), t.any(bool), t.all(bool), t.ballot(bool), to which all its 32 lanes must come; t.add_atomic(int*, int) is for
// counting.
#pragma once
#include <cmath>
#include <type_traits>
#include <utility>

#include <fauna/core/backend.hpp>
#include <fauna/core/batch.hpp>
#include <fauna/core/dtype.hpp>
#include <fauna/core/view.hpp>

#if defined(__CUDACC__)
#define FAUNA_KERNEL __device__
#else
#define FAUNA_KERNEL
#endif

namespace fauna::inline v0 {

/// A policy whose ops are kernels:
///   b.launch(kernel, blocks)      runs it behind what was launched before; no blocks: nothing
///   b.upload(host, n)             a copy of n elements where kernels can read it, for as long as what it returns lives
///   b.download(host, device, n)   waits for all launches, then copies
///   b.template temporary<T>(n)    memory for kernels, for as long as what it returns lives
template <class B>
concept Device = Backend<B> && requires {
  typename B::Thread;
};

inline constexpr int warp_size = 32;

namespace simt {

/// What matrices are stored as for inference (a policy's `weight`): as the products read them.
template <class Products> using weight_for = std::conditional_t<std::is_same_v<Products, bf16_products>, bf16, float>;

constexpr int parts(long long n, int size) { return static_cast<int>((n + size - 1) / size); }

FAUNA_KERNEL inline float sigmoid(float x) { return 1 / (1 + std::exp(-x)); }
FAUNA_KERNEL inline float softplus(float x) { return x > 20 ? x : std::log1p(std::exp(x)); }

// The sum and the maximum over a warp, the same bits in every lane: lanes 2ᵏ apart exchange what they have.
template <class T, class V> FAUNA_KERNEL V warp_sum(T const& t, V v) {
  for (int mask = warp_size / 2; mask > 0; mask /= 2) v += t.lane_xor(v, mask);
  return v;
}
template <class T, class V> FAUNA_KERNEL V warp_max(T const& t, V v) {
  for (int mask = warp_size / 2; mask > 0; mask /= 2) {
    const V other = t.lane_xor(v, mask);
    v = other > v ? other : v;
  }
  return v;
}
/// The sum over a block of `Warps` warps, in every thread: that of each warp, then the warps in order.
template <class T, class V, int Warps> FAUNA_KERNEL V block_sum(T const& t, V v, V (&of_warp)[Warps]) {
  v = warp_sum(t, v);
  if (t.lane() == 0) of_warp[t.warp()] = v;
  t.sync();
  v = of_warp[0];
  for (int w = 1; w < Warps; ++w) v += of_warp[w];
  t.sync();  // of_warp may be written again
  return v;
}
template <class T, class V, int Warps> FAUNA_KERNEL V block_max(T const& t, V v, V (&of_warp)[Warps]) {
  v = warp_max(t, v);
  if (t.lane() == 0) of_warp[t.warp()] = v;
  t.sync();
  v = of_warp[0];
  for (int w = 1; w < Warps; ++w) v = of_warp[w] > v ? of_warp[w] : v;
  t.sync();
  return v;
}

/// f(r, c) for every element of a matrix: a block has a row, and as many columns as threads.
template <class F> struct EachElement {
  static constexpr int threads = 256;
  using Shared = None;
  F f;
  int cols;
  template <class T> FAUNA_KERNEL void operator()(T const& t, Shared&) const {
    const int tiles = parts(cols, threads), c = t.block() % tiles * threads + t.index();
    if (c < cols) f(t.block() / tiles, c);
  }
};
template <Device B, class F> void each_element(B const& b, int rows, int cols, F const& f) {
  b.launch(EachElement<F>{f, cols}, static_cast<long long>(rows) * parts(cols, EachElement<F>::threads));
}
template <Device B, class M, class F> void each_element(B const& b, M const& of, F const& f) {
  each_element(b, of.rows(), of.cols(), f);
}

/// f(t, r) for every row, each by a warp.
template <class F> struct EachRow {
  static constexpr int warps = 4, threads = warps * warp_size;
  using Shared = None;
  F f;
  int rows;
  template <class T> FAUNA_KERNEL void operator()(T const& t, Shared&) const {
    const int r = t.block() * warps + t.warp();
    if (r < rows) f(t, r);
  }
};
template <Device B, class F> void each_row(B const& b, int rows, F const& f) {
  b.launch(EachRow<F>{f, rows}, parts(rows, EachRow<F>::warps));
}

/// The sequence that a row of a batch belongs to.
FAUNA_KERNEL inline int sequence_of(Batch const& b, int row) {
  if (b.offsets == nullptr) return row / b.length;
  int low = 0, high = b.sequences;  // the last sequence that begins at the row or before lies in [low, high)
  while (high - low > 1) {
    const int middle = (low + high) / 2;
    if (b.offsets[middle] <= row) low = middle;
    else high = middle;
  }
  return low;
}

/// The row behind the last one that may continue `row` in at most `steps` steps.
FAUNA_KERNEL inline int end_of_steps(Batch const& b, int sequence, int row, int steps) {
  const int last = b.last(sequence);
  return b.parent != nullptr || last - row <= steps ? last : row + steps + 1;
}

/// A matrix of a kernel's own, uninitialised, for as long as it lives.
template <Device B> class TemporaryMatrix {
 public:
  TemporaryMatrix(B const& b, int rows, int cols)
      : memory_(b.template temporary<float>(static_cast<std::size_t>(rows) * static_cast<std::size_t>(cols))),
        rows_(rows),
        cols_(cols) {}
  Matrix<float> view() const { return Matrix<float>(memory_.data(), rows_, cols_); }
  operator Matrix<float>() const { return view(); }
  operator Matrix<const float>() const { return view(); }

 private:
  decltype(std::declval<B const&>().template temporary<float>(0)) memory_;
  int rows_, cols_;
};

/// A batch whose arrays kernels can read; tokens and targets are left behind.
template <Device B> class BatchOnDevice {
 public:
  BatchOnDevice(B const& b, Batch const& host)
      : offsets_(b.upload(host.offsets, host.offsets ? host.sequences + 1 : 0)),
        past_(b.upload(host.past, host.past ? host.sequences : 0)),
        documents_(b.upload(host.document_start, host.document_start ? host.rows : 0)),
        parents_(b.upload(host.parent, host.parent ? host.rows : 0)),
        positions_(b.upload(host.positions, host.positions ? host.rows : 0)),
        batch_(host) {
    batch_.tokens = batch_.targets = nullptr;
    batch_.offsets = offsets_.data();
    batch_.past = past_.data();
    batch_.document_start = documents_.data();
    batch_.parent = parents_.data();
    batch_.positions = positions_.data();
  }
  Batch const& get() const { return batch_; }

 private:
  using Ints = decltype(std::declval<B const&>().upload(static_cast<const int*>(nullptr), 0));
  Ints offsets_, past_, documents_, parents_, positions_;
  Batch batch_;
};

}  // namespace simt
}  // namespace fauna::inline v0
