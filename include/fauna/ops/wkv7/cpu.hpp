#pragma once
#include <vector>

#include <fauna/backend/cpu.hpp>
#include <fauna/backend/simd.hpp>
#include <fauna/ops/wkv7/op.hpp>

namespace fauna::inline v0 {

/// Lanes are keys. Threads own heads of sequences, whose states stay in the caches while time runs.
template <class P, isa T, unsigned Tag> struct wkv7<Cpu<P, T, Tag>> {
  using B = Cpu<P, T, Tag>;
  static constexpr int W = B::lanes;
  using vec = simd::vfloat<W>;
  static constexpr int most = 256;  ///< numbers of a head

  /// States of a chunk, the one before it, zeros, and the gradient of one.
  static constexpr std::size_t workspace(int N, int threads) {
    return aligned(static_cast<std::size_t>(threads) * (wkv7_chunk + 3) * square(N) * sizeof(float));
  }

  static void forward(B const& b, Batch const& batch, int N, Wkv7Rows<const float> in, Matrix<float> state,
                      Matrix<float> y, Matrix<float> kept) {
    const int H = heads(in, N);
    over_heads(b, batch, N, H, [&](int q, int h, float* memory) {
      const int first = batch.first(q), last = batch.last(q), own = (q * H + h) * N;
      float *const entering = memory, *const zeros = memory + square(N);
      read(state, own, N, entering);
      clear(zeros, N);
      std::vector<typename B::scalar> all(batch.parent ? static_cast<std::size_t>(last - first) * square(N) : 0);
      float* now = entering;  // without a tree, each state takes the place of the one before
      for (int t = first; t < last; ++t) {
        const int p = batch.continues(q, t);
        if (kept && (t - first) % wkv7_chunk == 0)
          write(now, N, kept, ((wkv7_first_kept(batch, q) + (t - first) / wkv7_chunk) * H + h) * N);
        const float* before = now;
        if (batch.parent) {
          before = p >= 0 ? &all[static_cast<std::size_t>(p - first) * square(N)] : entering;
          now = &all[static_cast<std::size_t>(t - first) * square(N)];
        }
        step(in, t, h, N, p == Batch::nothing ? zeros : before, now, y.row(t) + h * N);
      }
      if (state) write(now, N, state, own);
    });
  }

  static void backward(B const& b, Batch const& batch, int N, Wkv7Rows<const float> in, Matrix<const float> kept,
                       Matrix<const float> dy, Wkv7Rows<float> d, Matrix<float> dstate) {
    const int H = heads(in, N);
    const bool tree = batch.parent != nullptr;
    over_heads(b, batch, N, H, [&](int q, int h, float* memory) {
      const int first = batch.first(q), last = batch.last(q), own = (q * H + h) * N;
      const std::size_t size = square(N);
      // A tree is one chunk, and each of its rows has a gradient of its own: several rows may continue it. Otherwise
      // the gradient of each state takes the place of the one after.
      std::vector<typename B::scalar> all(tree ? 2 * (static_cast<std::size_t>(last - first) + 1) * size : 0);
      float* const zeros = memory;
      float* const states = tree ? all.data() : memory + 2 * size;
      float* const gradients = tree ? &all[(static_cast<std::size_t>(last - first) + 1) * size] : memory + size;
      const auto gradient = [&](int t) {
        return tree ? gradients + static_cast<std::size_t>(t - first + 1) * size : gradients;
      };
      clear(zeros, N);
      read(dstate, own, N, gradient(last - 1));
      const int length = tree ? last - first : wkv7_chunk;
      for (int from = first + (last - 1 - first) / length * length; from >= first; from -= length) {
        const int to = from + length < last ? from + length : last;
        const auto after = [&](int t) { return states + static_cast<std::size_t>(t - from + 1) * size; };
        const auto before = [&](int p) { return p == Batch::nothing ? zeros : p < from ? states : after(p); };
        read(kept, ((wkv7_first_kept(batch, q) + (from - first) / wkv7_chunk) * H + h) * N, N, states);
        for (int t = from; t < to; ++t) step(in, t, h, N, before(batch.continues(q, t)), after(t), nullptr);
        for (int t = to - 1; t >= from; --t) {
          const int p = batch.continues(q, t);
          // What nothing came before gives its gradient to nobody.
          float* const g_before = gradient(p == Batch::nothing ? t : p < first ? first - 1 : p);
          step_back(in, t, h, N, before(p), after(t), dy.row(t) + h * N, d, gradient(t), g_before, tree);
          if (!tree && p == Batch::nothing) clear(gradients, N);
        }
      }
      if (dstate) write(gradient(first - 1), N, dstate, own);
    });
  }

 private:
  static constexpr int tiles(int N) { return (N + W - 1) / W; }
  /// Numbers of a state here, whose rows end with zeros.
  static constexpr std::size_t square(int N) {
    return static_cast<std::size_t>(N) * static_cast<std::size_t>(tiles(N)) * W;
  }
  static int heads(Wkv7Rows<const float> const& in, int N) {
    if (N < 1 || N > most) fail("wkv7", "heads of " + std::to_string(N), "1 to " + std::to_string(most));
    return in.r.cols() / N;
  }
  /// f(sequence, head, memory of the thread's own) for each sequence with rows.
  template <class F> static void over_heads(B const& b, Batch const& batch, int N, int H, F&& f) {
    Scope scope(*b.scratch);
    const int n = batch.sequences * H, parts = b.threads < n ? b.threads : n;
    const std::size_t each = (wkv7_chunk + 3) * square(N);
    float* const memory = b.scratch->template take<float>(static_cast<std::size_t>(parts) * each);
    parallel_for(parts, parts, 1, [&](int from, int to) {
      for (int part = from; part < to; ++part)
        for (int i = TeamOf<Tag>{part, parts}.from(n); i < TeamOf<Tag>{part, parts}.to(n); ++i)
          if (batch.last(i / H) > batch.first(i / H)) f(i / H, i % H, memory + static_cast<std::size_t>(part) * each);
    });
  }

  static void clear(float* s, int N) {
    for (std::size_t i = 0; i < square(N); ++i) s[i] = 0;
  }
  static void read(Matrix<const float> from, int row, int N, float* s) {
    clear(s, N);
    for (int i = 0; from && i < N; ++i, s += tiles(N) * W)
      for (int j = 0; j < N; ++j) s[j] = from(row + i, j);
  }
  static void write(const float* s, int N, Matrix<float> to, int row) {
    for (int i = 0; i < N; ++i, s += tiles(N) * W)
      for (int j = 0; j < N; ++j) to(row + i, j) = s[j];
  }
  /// A head's part of a row, as vectors that end with zeros.
  static void get(vec* v, const float* row, int N) {
    for (int j = 0; j < N; j += W) simd::get<W>(v[j / W], row + j, N - j < W ? N - j : W);
  }
  static void add(const vec* v, float* row, int N) {
    for (int j = 0; j < N; j += W) {
      const int n = N - j < W ? N - j : W;
      vec sum;
      simd::get<W>(sum, row + j, n);
      simd::put<W>(row + j, sum + v[j / W], n);
    }
  }

  /// after = before diag(w) + (before a) bᵀ + v kᵀ; y = after r where it is wanted. `after` may be `before`.
  static void step(Wkv7Rows<const float> const& in, int t, int h, int N, const float* before, float* after, float* y) {
    const int n = tiles(N), at = h * N;
    vec r[most / W], w[most / W], k[most / W], a[most / W], b[most / W];
    get(r, in.r.row(t) + at, N);
    get(w, in.w.row(t) + at, N);
    get(k, in.k.row(t) + at, N);
    get(a, in.a.row(t) + at, N);
    get(b, in.b.row(t) + at, N);
    const float* const v = in.v.row(t) + at;
    for (int i = 0; i < N; ++i, before += n * W, after += n * W) {
      vec s, sums{};
      for (int j = 0; j < n; ++j) {
        simd::load<W>(s, before + j * W);
        sums += s * a[j];
      }
      const float sa = simd::sum<W>(sums);
      sums = vec{};
      for (int j = 0; j < n; ++j) {
        simd::load<W>(s, before + j * W);
        s = s * w[j] + b[j] * sa + k[j] * v[i];
        simd::store<W>(after + j * W, s);
        sums += s * r[j];
      }
      if (y) y[i] = simd::sum<W>(sums);
    }
  }

  /// g: the gradient of `after` but for what its own y adds. That of `before` is put into g_before, which may be g, or
  /// with `adds` added to it.
  static void step_back(Wkv7Rows<const float> const& in, int t, int h, int N, const float* before, const float* after,
                        const float* dy, Wkv7Rows<float> const& d, float* g, float* g_before, bool adds) {
    const int n = tiles(N), at = h * N;
    vec r[most / W], w[most / W], k[most / W], a[most / W], b[most / W];
    get(r, in.r.row(t) + at, N);
    get(w, in.w.row(t) + at, N);
    get(k, in.k.row(t) + at, N);
    get(a, in.a.row(t) + at, N);
    get(b, in.b.row(t) + at, N);
    const float* const v = in.v.row(t) + at;
    float* const dv = d.v.row(t) + at;
    vec dr[most / W]{}, dw[most / W]{}, dk[most / W]{}, da[most / W]{}, db[most / W]{};
    for (int i = 0; i < N; ++i, before += n * W, after += n * W, g += n * W, g_before += n * W) {
      vec s, e, of_v{}, of_a{}, of_b{};
      for (int j = 0; j < n; ++j) {
        simd::load<W>(e, g + j * W);
        e += r[j] * dy[i];
        simd::store<W>(g + j * W, e);
        simd::load<W>(s, after + j * W);
        dr[j] += s * dy[i];
        simd::load<W>(s, before + j * W);
        dw[j] += s * e;
        dk[j] += e * v[i];
        of_v += e * k[j];
        of_a += s * a[j];
        of_b += e * b[j];
      }
      dv[i] += simd::sum<W>(of_v);
      const float sa = simd::sum<W>(of_a), gb = simd::sum<W>(of_b);
      for (int j = 0; j < n; ++j) {
        simd::load<W>(e, g + j * W);
        simd::load<W>(s, before + j * W);
        db[j] += e * sa;
        da[j] += s * gb;
        e = e * w[j] + a[j] * gb;
        if (adds) {
          simd::load<W>(s, g_before + j * W);
          e += s;
        }
        simd::store<W>(g_before + j * W, e);
      }
    }
    add(dr, d.r.row(t) + at, N);
    add(dw, d.w.row(t) + at, N);
    add(dk, d.k.row(t) + at, N);
    add(da, d.a.row(t) + at, N);
    add(db, d.b.row(t) + at, N);
  }
};

}  // namespace fauna::inline v0
