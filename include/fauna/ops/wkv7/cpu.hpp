#pragma once
#include <fauna/ops/wkv7/states.hpp>

namespace fauna::inline v0 {

/// Lanes are keys. Threads own heads of sequences, whose states stay in the caches while time runs.
template <class P, isa T, unsigned Tag> struct wkv7<Cpu<P, T, Tag>> {
  using B = Cpu<P, T, Tag>;
  static constexpr int W = B::lanes;
  using vec = simd::vfloat<W>;
  using States = MatrixStates<B>;
  static constexpr int most = States::most;

  static constexpr std::size_t workspace(int N, int threads) {
    return aligned(static_cast<std::size_t>(threads) * States::floats(N) * sizeof(float));
  }

  static void forward(B const& b, Batch const& batch, int N, Wkv7Rows<const float> in, Matrix<float> state,
                      Matrix<float> y, Matrix<float> kept) {
    const int H = heads(in, N);
    over_heads(b, batch, N, H, [&](int q, int h, float* memory) {
      const States states{batch, N, H, q, h, memory};
      states.forward(state, kept, [&](int t, const float* before, float* after) {
        step(in, t, h, N, before, after, y.row(t) + h * N);
      });
    });
  }

  static void backward(B const& b, Batch const& batch, int N, Wkv7Rows<const float> in, Matrix<const float> kept,
                       Matrix<const float> dy, Wkv7Rows<float> d, Matrix<float> dstate) {
    const int H = heads(in, N);
    over_heads(b, batch, N, H, [&](int q, int h, float* memory) {
      const States states{batch, N, H, q, h, memory};
      states.backward(
          kept, dstate, [&](int t, const float* before, float* after) { step(in, t, h, N, before, after, nullptr); },
          [&](int t, const float* before, const float* after, float* g, float* g_before, bool adds) {
            step_back(in, t, h, N, before, after, dy.row(t) + h * N, d, g, g_before, adds);
          });
    });
  }

 private:
  static constexpr int tiles(int N) { return States::tiles(N); }
  static int heads(Wkv7Rows<const float> const& in, int N) {
    if (N < 1 || N > most) fail("wkv7", "heads of " + std::to_string(N), "1 to " + std::to_string(most));
    return in.r.cols() / N;
  }
  /// f(sequence, head, memory of the thread's own) for each sequence with rows.
  template <class F> static void over_heads(B const& b, Batch const& batch, int N, int H, F&& f) {
    Scope scope(*b.scratch);
    const int n = batch.sequences * H, parts = b.threads < n ? b.threads : n;
    const std::size_t each = States::floats(N);
    float* const memory = b.scratch->template take<float>(static_cast<std::size_t>(parts) * each);
    parallel_for(parts, parts, 1, [&](int from, int to) {
      for (int part = from; part < to; ++part)
        for (int i = TeamOf<Tag>{part, parts}.from(n); i < TeamOf<Tag>{part, parts}.to(n); ++i)
          if (batch.last(i / H) > batch.first(i / H)) f(i / H, i % H, memory + static_cast<std::size_t>(part) * each);
    });
  }

  static void get(vec* v, const float* row, int N) { States::get(v, row, N); }
  static void add(const vec* v, float* row, int N) { States::add(v, row, N); }

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
