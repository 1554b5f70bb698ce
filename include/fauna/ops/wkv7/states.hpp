// Recurrences whose state is a matrix for each head, of one sequence: which state each row continues, in trees of rows
// too, and where states come from on the way back (docs/ops/wkv7.md). What a step does to a state, its user says.
#pragma once
#include <vector>

#include <fauna/backend/cpu.hpp>
#include <fauna/backend/simd.hpp>
#include <fauna/ops/wkv7/op.hpp>

namespace fauna::inline v0 {

/// Head h of H heads of N numbers, sequence q of a batch; `memory` of floats(N). Here a state has rows that end with
/// zeros, tiles(N) W long.
template <class B> struct MatrixStates {
  static constexpr int W = B::lanes;
  using vec = simd::vfloat<W>;
  static constexpr int most = 256;  ///< numbers of a head
  Batch const& batch;
  int N, H, q, h;
  float* memory;
  bool turned = false;  ///< a state that enters or leaves has here as its rows what are its columns there

  static constexpr int tiles(int N) { return (N + W - 1) / W; }
  static constexpr std::size_t square(int N) {
    return static_cast<std::size_t>(N) * static_cast<std::size_t>(tiles(N)) * W;
  }
  /// States of a chunk, the one before it, zeros, and the gradient of one.
  static constexpr std::size_t floats(int N) { return (wkv7_chunk + 3) * square(N); }
  /// A head's part of a row, as vectors that end with zeros.
  static void get(vec* v, const float* row, int N) {
    for (int j = 0; j < N; j += W) simd::get<W>(v[j / W], row + j, N - j < W ? N - j : W);
  }
  static void put(const vec* v, float* row, int N) {
    for (int j = 0; j < N; j += W) simd::put<W>(row + j, v[j / W], N - j < W ? N - j : W);
  }
  static void add(const vec* v, float* row, int N) {
    for (int j = 0; j < N; j += W) {
      const int n = N - j < W ? N - j : W;
      vec sum;
      simd::get<W>(sum, row + j, n);
      simd::put<W>(row + j, sum + v[j / W], n);
    }
  }

  /// step(t, before, after) for each row in order; `after` may be `before`. State and kept as the op has them.
  template <class Step> void forward(Matrix<float> state, Matrix<float> kept, Step&& step) const {
    const int first = batch.first(q), last = batch.last(q), own = (q * H + h) * N;
    float *const entering = memory, *const zeros = memory + square(N);
    read(state, own, entering, turned);
    clear(zeros);
    std::vector<typename B::scalar> all(batch.parent ? static_cast<std::size_t>(last - first) * square(N) : 0);
    float* now = entering;  // without a tree, each state takes the place of the one before
    for (int t = first; t < last; ++t) {
      const int p = batch.continues(q, t);
      if (kept && (t - first) % wkv7_chunk == 0)
        write(now, kept, ((wkv7_first_kept(batch, q) + (t - first) / wkv7_chunk) * H + h) * N);
      const float* before = now;
      if (batch.parent) {
        before = p >= 0 ? &all[static_cast<std::size_t>(p - first) * square(N)] : entering;
        now = &all[static_cast<std::size_t>(t - first) * square(N)];
      }
      step(t, p == Batch::nothing ? zeros : before, now);
    }
    if (state) write(now, state, own, turned);
  }

  /// step as above, and back(t, before, after, g, g_before, adds) for each row, the last one first. g: the gradient of
  /// `after` but for what its own output adds; that of `before` is to be put into g_before, which may be g, or with
  /// `adds` added to it.
  template <class Step, class Back>
  void backward(Matrix<const float> kept, Matrix<float> dstate, Step&& step, Back&& back) const {
    const bool tree = batch.parent != nullptr;
    const int first = batch.first(q), last = batch.last(q), own = (q * H + h) * N;
    const std::size_t size = square(N);
    // A tree is one chunk, and each of its rows has a gradient of its own: several rows may continue it. Otherwise the
    // gradient of each state takes the place of the one after.
    std::vector<typename B::scalar> all(tree ? 2 * (static_cast<std::size_t>(last - first) + 1) * size : 0);
    float* const zeros = memory;
    float* const states = tree ? all.data() : memory + 2 * size;
    float* const gradients = tree ? &all[(static_cast<std::size_t>(last - first) + 1) * size] : memory + size;
    const auto gradient = [&](int t) {
      return tree ? gradients + static_cast<std::size_t>(t - first + 1) * size : gradients;
    };
    clear(zeros);
    read(dstate, own, gradient(last - 1), turned);
    const int length = tree ? last - first : wkv7_chunk;
    for (int from = first + (last - 1 - first) / length * length; from >= first; from -= length) {
      const int to = from + length < last ? from + length : last;
      const auto after = [&](int t) { return states + static_cast<std::size_t>(t - from + 1) * size; };
      const auto before = [&](int p) { return p == Batch::nothing ? zeros : p < from ? states : after(p); };
      read(kept, ((wkv7_first_kept(batch, q) + (from - first) / wkv7_chunk) * H + h) * N, states);
      for (int t = from; t < to; ++t) step(t, before(batch.continues(q, t)), after(t));
      for (int t = to - 1; t >= from; --t) {
        const int p = batch.continues(q, t);
        // What nothing came before gives its gradient to nobody.
        float* const g_before = gradient(p == Batch::nothing ? t : p < first ? first - 1 : p);
        back(t, before(p), after(t), gradient(t), g_before, tree);
        if (!tree && p == Batch::nothing) clear(gradients);
      }
    }
    if (dstate) write(gradient(first - 1), dstate, own, turned);
  }

 private:
  void clear(float* s) const {
    for (std::size_t i = 0; i < square(N); ++i) s[i] = 0;
  }
  void read(Matrix<const float> from, int row, float* s, bool turn = false) const {
    clear(s);
    for (int i = 0; from && i < N; ++i, s += tiles(N) * W)
      for (int j = 0; j < N; ++j) s[j] = turn ? from(row + j, i) : from(row + i, j);
  }
  void write(const float* s, Matrix<float> to, int row, bool turn = false) const {
    for (int i = 0; i < N; ++i, s += tiles(N) * W)
      for (int j = 0; j < N; ++j) (turn ? to(row + j, i) : to(row + i, j)) = s[j];
  }
};

}  // namespace fauna::inline v0
