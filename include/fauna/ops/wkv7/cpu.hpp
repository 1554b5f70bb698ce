#pragma once
#include <fauna/ops/wkv7/states.hpp>

namespace fauna::inline v0 {

/// Lanes are values: a state has a row for each key here, and what is summed over keys is summed in registers. Threads
/// own heads of sequences, whose states stay in the first cache while time runs.
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
      const States states{batch, N, H, q, h, memory, true};
      states.forward(state, kept, [&](int t, const float* before, float* after) {
        step(in, t, h, N, before, after, y.row(t) + h * N);
      });
    });
  }

  static void backward(B const& b, Batch const& batch, int N, Wkv7Rows<const float> in, Matrix<const float> kept,
                       Matrix<const float> dy, Wkv7Rows<float> d, Matrix<float> dstate) {
    const int H = heads(in, N);
    over_heads(b, batch, N, H, [&](int q, int h, float* memory) {
      const States states{batch, N, H, q, h, memory, true};
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

  /// What a step reads beside the state: a head's keys as they stand, and its values as vectors that end with zeros.
  struct Row {
    const float *r, *w, *k, *a, *b;
    vec v[most / W];
    Row(Wkv7Rows<const float> const& in, int t, int at, int N)
        : r(in.r.row(t) + at), w(in.w.row(t) + at), k(in.k.row(t) + at), a(in.a.row(t) + at), b(in.b.row(t) + at) {
      States::get(v, in.v.row(t) + at, N);
    }
  };
  /// f<how many>(first) over n vectors: by four while there are as many.
  template <class F> static void by_four(int n, F&& f) {
    int i = 0;
    for (; i + 4 <= n; i += 4) f.template operator()<4>(i);
    for (; i < n; ++i) f.template operator()<1>(i);
  }

  /// after = before diag(w) + (before a) bᵀ + v kᵀ; y = after r where it is wanted. `after` may be `before`.
  static void step(Wkv7Rows<const float> const& in, int t, int h, int N, const float* before, float* after, float* y) {
    const int n = tiles(N);
    const Row row(in, t, h * N, N);
    vec out[most / W];
    by_four(n, [&]<int V>(int i) {
      vec sa[V], v[V], sums[V]{};
      removed<V>(row.a, N, n, before + i * W, sa);
      FAUNA_UNROLL
      for (int u = 0; u < V; ++u) v[u] = row.v[i + u];
      const float* from = before + i * W;
      float* to = after + i * W;
      for (int j = 0; j < N; ++j, from += n * W, to += n * W) {
        const float w = row.w[j], b = row.b[j], k = row.k[j], r = row.r[j];  // stores might change what they point to
        FAUNA_UNROLL
        for (int u = 0; u < V; ++u) {
          vec s;
          simd::load<W>(s, from + u * W);
          s = s * w + sa[u] * b + v[u] * k;
          simd::store<W>(to + u * W, s);
          sums[u] += s * r;
        }
      }
      FAUNA_UNROLL
      for (int u = 0; u < V; ++u) out[i + u] = sums[u];
    });
    if (y) States::put(out, y, N);
  }
  /// before a, of V vectors of values: even and odd keys apart, since one chain of sums would wait for itself.
  template <int V> static FAUNA_INLINE void removed(const float* a, int N, int n, const float* before, vec* sa) {
    vec odd[V]{};
    FAUNA_UNROLL
    for (int u = 0; u < V; ++u) sa[u] = vec{};
    int j = 0;
    for (; j + 2 <= N; j += 2, before += 2 * n * W) {
      FAUNA_UNROLL
      for (int u = 0; u < V; ++u) {
        vec s, s1;
        simd::load<W>(s, before + u * W);
        simd::load<W>(s1, before + n * W + u * W);
        sa[u] += s * a[j];
        odd[u] += s1 * a[j + 1];
      }
    }
    FAUNA_UNROLL
    for (int u = 0; u < V; ++u) {
      if (j < N) {
        vec s;
        simd::load<W>(s, before + u * W);
        sa[u] += s * a[j];
      }
      sa[u] += odd[u];
    }
  }

  /// g: the gradient of `after` but for what its own y adds. That of `before` is put into g_before, which may be g, or
  /// with `adds` added to it.
  static void step_back(Wkv7Rows<const float> const& in, int t, int h, int N, const float* before, const float* after,
                        const float* dy, Wkv7Rows<float> const& d, float* g, float* g_before, bool adds) {
    const int n = tiles(N), at = h * N;
    const Row row(in, t, at, N);
    vec out[most / W], dv[most / W];
    States::get(out, dy, N);
    vec dr[most], dw[most], dk[most], da[most], db[most];  // of each key, lane by lane
    for (int j = 0; j < N; ++j) dr[j] = dw[j] = dk[j] = da[j] = db[j] = vec{};
    by_four(n, [&]<int V>(int i) {
      const int stride = n * W;
      vec sa[V], gb[V]{}, of_v[V]{}, o[V], v[V];
      FAUNA_UNROLL
      for (int u = 0; u < V; ++u) {
        o[u] = out[i + u];
        v[u] = row.v[i + u];
      }
      removed<V>(row.a, N, n, before + i * W, sa);
      float* to = g + i * W;
      const float* now = after + i * W;
      for (int j = 0; j < N; ++j, to += stride, now += stride) {
        const float r = row.r[j], k = row.k[j], b = row.b[j];
        vec of_r = dr[j], of_k = dk[j];
        FAUNA_UNROLL
        for (int u = 0; u < V; ++u) {
          vec s, e;
          simd::load<W>(e, to + u * W);
          simd::load<W>(s, now + u * W);
          e += o[u] * r;
          simd::store<W>(to + u * W, e);
          of_r += s * o[u];
          of_k += e * v[u];
          of_v[u] += e * k;
          gb[u] += e * b;
        }
        dr[j] = of_r;
        dk[j] = of_k;
      }
      FAUNA_UNROLL
      for (int u = 0; u < V; ++u) dv[i + u] = of_v[u];
      const float *from = g + i * W, *then = before + i * W;
      to = g_before + i * W;
      for (int j = 0; j < N; ++j, from += stride, then += stride, to += stride) {
        const float w = row.w[j], a = row.a[j];
        vec of_w = dw[j], of_a = da[j], of_b = db[j];
        FAUNA_UNROLL
        for (int u = 0; u < V; ++u) {
          vec s, e;
          simd::load<W>(e, from + u * W);
          simd::load<W>(s, then + u * W);
          of_w += s * e;
          of_b += e * sa[u];
          of_a += s * gb[u];
          e = e * w + gb[u] * a;
          if (adds) {
            simd::load<W>(s, to + u * W);
            e += s;
          }
          simd::store<W>(to + u * W, e);
        }
        dw[j] = of_w;
        da[j] = of_a;
        db[j] = of_b;
      }
    });
    States::add(dv, d.v.row(t) + at, N);
    float *const of_r = d.r.row(t) + at, *const of_w = d.w.row(t) + at, *const of_k = d.k.row(t) + at,
                 *const of_a = d.a.row(t) + at, *const of_b = d.b.row(t) + at;
    for (int j = 0; j < N; ++j) {
      of_r[j] += simd::sum<W>(dr[j]);
      of_w[j] += simd::sum<W>(dw[j]);
      of_k[j] += simd::sum<W>(dk[j]);
      of_a[j] += simd::sum<W>(da[j]);
      of_b[j] += simd::sum<W>(db[j]);
    }
  }
};

}  // namespace fauna::inline v0
