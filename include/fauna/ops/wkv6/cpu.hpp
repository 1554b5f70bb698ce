#pragma once
#include <fauna/ops/wkv6/op.hpp>
#include <fauna/ops/wkv7/states.hpp>

namespace fauna::inline v0 {

/// Lanes are values. Threads own heads, in all sequences one after another: what is constant in time gathers its
/// gradient in ascending sequences.
template <class P, isa T, unsigned Tag> struct wkv6<Cpu<P, T, Tag>> {
  using B = Cpu<P, T, Tag>;
  using number = typename B::scalar;  ///< float: a name that costs no instantiation before it is used
  static constexpr int W = B::lanes;
  using vec = simd::vfloat<W>;
  using States = MatrixStates<B>;
  static constexpr int most = States::most;

  static constexpr std::size_t workspace(int N, int threads) {
    return aligned(static_cast<std::size_t>(threads) * States::floats(N) * sizeof(float));
  }

  static void forward(B const& b, Batch const& batch, int N, Wkv6Rows<const number> in, const float* u,
                      Matrix<float> state, Matrix<float> y, Matrix<float> kept) {
    over_heads(b, batch, N, in.r.cols(), [&](States const& states) {
      Decay decay(in, states);
      states.forward(state, kept, [&](int t, const float* before, float* after) {
        decay.of(t);
        step(in, u, decay.w, t, states.h * N, N, before, after, y.row(t) + states.h * N);
      });
    });
  }

  static void backward(B const& b, Batch const& batch, int N, Wkv6Rows<const number> in, const float* u,
                       Matrix<const float> kept, Matrix<const float> dy, Wkv6Rows<number> d, float* du,
                       Matrix<float> dstate) {
    over_heads(b, batch, N, in.r.cols(), [&](States const& states) {
      Decay decay(in, states);
      states.backward(
          kept, dstate,
          [&](int t, const float* before, float* after) {
            decay.of(t);
            step(in, u, decay.w, t, states.h * N, N, before, after, nullptr);
          },
          [&](int t, const float* before, const float*, float* g, float* g_before, bool adds) {
            decay.of(t);
            step_back(in, u, decay, t, states.h * N, N, before, dy.row(t) + states.h * N, d, du, g, g_before, adds);
          });
    });
  }

 private:
  /// w = exp(-e^d) of a head, and dw/dd.
  struct Decay {
    Wkv6Rows<const number> const& in;
    int column, N;
    float w[most], slope[most];
    Decay(Wkv6Rows<const number> const& in_, States const& s) : in(in_), column(s.h * s.N), N(s.N) {
      if (in.constant) compute(0);
    }
    void of(int t) {
      if (!in.constant) compute(t);
    }

   private:
    void compute(int row) {
      for (int i = 0; i < N; i += W) {
        const int n = N - i < W ? N - i : W;
        vec e, v;
        simd::get<W>(e, in.d.row(row) + column + i, n);
        simd::exp<W>(e, e);
        simd::exp<W>(v, -e);
        simd::put<W>(w + i, v, n);
        simd::put<W>(slope + i, -e * v, n);
      }
    }
  };

  /// f(states) for each head of each sequence with rows.
  template <class F> static void over_heads(B const& b, Batch const& batch, int N, int C, F&& f) {
    if (N < 1 || N > most) fail("wkv6", "heads of " + std::to_string(N), "1 to " + std::to_string(most));
    Scope scope(*b.scratch);
    const int H = C / N, parts = b.threads < H ? b.threads : H;
    float* const memory = b.scratch->template take<float>(static_cast<std::size_t>(parts) * States::floats(N));
    parallel_for(parts, parts, 1, [&](int from, int to) {
      for (int part = from; part < to; ++part)
        for (int h = TeamOf<Tag>{part, parts}.from(H); h < TeamOf<Tag>{part, parts}.to(H); ++h)
          for (int q = 0; q < batch.sequences; ++q)
            if (batch.last(q) > batch.first(q))
              f(States{batch, N, H, q, h, memory + static_cast<std::size_t>(part) * States::floats(N)});
    });
  }

  /// after = diag(w) before + k vᵀ; y = (before + diag(u) k vᵀ)ᵀ r where it is wanted. `after` may be `before`.
  static void step(Wkv6Rows<const number> const& in, const float* u, const float* w, int t, int at, int N,
                   const float* before, float* after, float* y) {
    const int n = States::tiles(N);
    const float *const r = in.r.row(t) + at, *const k = in.k.row(t) + at;
    vec v[most / W], sums[most / W]{};
    States::get(v, in.v.row(t) + at, N);
    float bonus = 0;
    for (int i = 0; i < N; ++i, before += n * W, after += n * W) {
      bonus += u[at + i] * r[i] * k[i];
      for (int j = 0; j < n; ++j) {
        vec s;
        simd::load<W>(s, before + j * W);
        sums[j] += s * r[i];
        simd::store<W>(after + j * W, s * w[i] + v[j] * k[i]);
      }
    }
    if (y == nullptr) return;
    for (int j = 0; j < n; ++j) sums[j] += v[j] * bonus;
    States::put(sums, y, N);
  }

  /// As MatrixStates::backward wants it.
  static void step_back(Wkv6Rows<const number> const& in, const float* u, Decay const& decay, int t, int at, int N,
                        const float* before, const float* dy, Wkv6Rows<number> const& d, float* du, float* g,
                        float* g_before, bool adds) {
    const int n = States::tiles(N);
    const float *const r = in.r.row(t) + at, *const k = in.k.row(t) + at;
    float *const dr = d.r.row(t) + at, *const dk = d.k.row(t) + at;
    vec v[most / W], out[most / W], dv[most / W]{}, betas{};
    States::get(v, in.v.row(t) + at, N);
    States::get(out, dy, N);
    for (int j = 0; j < n; ++j) betas += v[j] * out[j];
    const float beta = simd::sum<W>(betas);
    float bonus = 0;
    for (int i = 0; i < N; ++i, before += n * W, g += n * W, g_before += n * W) {
      vec of_r{}, of_k{}, of_w{};
      for (int j = 0; j < n; ++j) {
        vec s, e;
        simd::load<W>(s, before + j * W);
        simd::load<W>(e, g + j * W);
        of_r += s * out[j];
        of_k += e * v[j];
        of_w += e * s;
        dv[j] += e * k[i];
        e = e * decay.w[i] + out[j] * r[i];
        if (adds) {
          simd::load<W>(s, g_before + j * W);
          e += s;
        }
        simd::store<W>(g_before + j * W, e);
      }
      const float first = u[at + i], of_d = simd::sum<W>(of_w) * decay.slope[i];
      bonus += first * r[i] * k[i];
      dr[i] = simd::sum<W>(of_r) + beta * first * k[i];
      dk[i] = simd::sum<W>(of_k) + beta * first * r[i];
      if (!in.constant) d.d(t, at + i) = of_d;
      else if (d.d) d.d(0, at + i) += of_d;
      if (du) du[at + i] += beta * r[i] * k[i];
    }
    for (int j = 0; j < n; ++j) dv[j] += out[j] * bonus;
    States::put(dv, d.v.row(t) + at, N);
  }
};

}  // namespace fauna::inline v0
