#pragma once
#include <cmath>

#include <fauna/backend/cpu.hpp>
#include <fauna/backend/simd.hpp>
#include <fauna/ops/rwkv7/op.hpp>

namespace fauna::inline v0 {

/// Threads own heads: the gradients of their parameters are summed over ascending rows.
template <class P, isa T, unsigned Tag> struct rwkv7_mix<Cpu<P, T, Tag>> {
  using B = Cpu<P, T, Tag>;
  static constexpr int W = B::lanes;
  using vec = simd::vfloat<W>;
  using In = Matrix<const float>;
  using Out = Matrix<float>;

  static void inputs(B const& b, int N, In w, In k, In a, const float* k_k, const float* k_a, Wkv7Rows<float> out) {
    over_heads(b, N, k, [&](int t, int h) {
      const float length = length_of(k.row(t) + h, k_k + h, N);
      over_lanes(t, h, N, [&](Lanes at) {
        vec x, alpha, s, kk, ka;
        at.get(x, k), at.get(alpha, a), at.get(s, w), at.get(kk, k_k), at.get(ka, k_a);
        sigmoid(alpha), sigmoid(s), decay(s);
        const vec kappa = x * kk / length;
        at.put(out.w, s);
        at.put(out.k, x * (1.0F + (alpha - 1.0F) * ka));
        at.put(out.a, -kappa);
        at.put(out.b, kappa * alpha);
      });
    });
  }
  static void inputs_backward(B const& b, int N, In w, In k, In a, const float* k_k, const float* k_a,
                              Wkv7Rows<const float> d, Out dw, Out dk, Out da, float* dk_k, float* dk_a) {
    over_heads(b, N, k, [&](int t, int h) {
      const float length = length_of(k.row(t) + h, k_k + h, N);
      vec sums{};  // of κ · dκ; where the length is held at its least value, it has no gradient
      over_lanes(t, h, N, [&](Lanes at) {
        vec x, alpha, kk, of_a, of_b;
        at.get(x, k), at.get(alpha, a), at.get(kk, k_k), at.get(of_a, d.a), at.get(of_b, d.b);
        sigmoid(alpha);
        sums += x * kk / length * (of_b * alpha - of_a);
      });
      const float along = length > shortest ? simd::sum<W>(sums) : 0.0F;
      over_lanes(t, h, N, [&](Lanes at) {
        vec x, alpha, s, kk, ka, of_w, of_k, of_a, of_b;
        at.get(x, k), at.get(alpha, a), at.get(s, w), at.get(kk, k_k), at.get(ka, k_a);
        at.get(of_w, d.w), at.get(of_k, d.k), at.get(of_a, d.a), at.get(of_b, d.b);
        sigmoid(alpha), sigmoid(s);
        vec e = s;
        decay(e);
        const vec kappa = x * kk / length, du = (of_b * alpha - of_a - kappa * along) / length;
        at.add(dk_k, du * x);
        at.add(dk_a, of_k * x * (alpha - 1.0F));
        at.put(dw, of_w * e * s * (1.0F - s) * -slowest);
        at.put(dk, du * kk + of_k * (1.0F + (alpha - 1.0F) * ka));
        at.put(da, (of_b * kappa + of_k * x * ka) * alpha * (1.0F - alpha));
      });
    });
  }

  static void value(B const& b, In v, In first, In gate, Out y) {
    over_rows(b, v, [&](Lanes at) {
      vec x, f, s;
      at.get(x, v), at.get(f, first), at.get(s, gate);
      sigmoid(s);
      at.put(y, x + (f - x) * s);
    });
  }
  static void value_backward(B const& b, In v, In first, In gate, In dy, Out dv, Out dfirst, Out dgate) {
    over_rows(b, v, [&](Lanes at) {
      vec x, f, s, d;
      at.get(x, v), at.get(f, first), at.get(s, gate), at.get(d, dy);
      sigmoid(s);
      at.put(dgate, d * (f - x) * s * (1.0F - s));
      at.add(dfirst.row(at.t), d * s);
      at.put(dv, d * (1.0F - s));
    });
  }

  static void outputs(B const& b, int N, In y, Wkv7Rows<const float> rows, In g, const float* r_k, const float* weight,
                      const float* bias, double eps, Out out) {
    over_heads(b, N, y, [&](int t, int h) {
      const Head head(y, rows, r_k, t, h, N, eps);
      over_lanes(t, h, N, [&](Lanes at) {
        vec x, v, gate, scale, shift;
        at.get(x, y), at.get(v, rows.v), at.get(gate, g), at.get(scale, weight), at.get(shift, bias);
        at.put(out, ((x - head.mean) * head.rstd * scale + shift + head.bonus * v) * gate);
      });
    });
  }
  static void outputs_backward(B const& b, int N, In y, Wkv7Rows<const float> rows, In g, const float* r_k,
                               const float* weight, const float* bias, double eps, In dout, Out dy, Wkv7Rows<float> d,
                               Out dg, float* dr_k, float* dweight, float* dbias) {
    over_heads(b, N, y, [&](int t, int h) {
      const Head head(y, rows, r_k, t, h, N, eps);
      vec sums{}, alongs{}, bonuses{};
      over_lanes(t, h, N, [&](Lanes at) {
        vec x, v, gate, scale, dz;
        at.get(x, y), at.get(v, rows.v), at.get(gate, g), at.get(scale, weight), at.get(dz, dout);
        dz *= gate;
        sums += dz * scale;
        alongs += dz * scale * (x - head.mean) * head.rstd;
        bonuses += dz * v;
      });
      const float mean = simd::sum<W>(sums) / static_cast<float>(N), d_bonus = simd::sum<W>(bonuses),
                  along = simd::sum<W>(alongs) / static_cast<float>(N);
      over_lanes(t, h, N, [&](Lanes at) {
        vec x, v, r, k, rk, gate, scale, shift, o;
        at.get(x, y), at.get(v, rows.v), at.get(r, rows.r), at.get(k, rows.k), at.get(rk, r_k);
        at.get(gate, g), at.get(scale, weight), at.get(shift, bias), at.get(o, dout);
        const vec dz = o * gate, normal = (x - head.mean) * head.rstd;
        at.put(dg, o * (normal * scale + shift + head.bonus * v));
        at.put(dy, head.rstd * (dz * scale - mean - normal * along));
        at.add(d.v.row(t), head.bonus * dz);
        at.add(d.r.row(t), d_bonus * k * rk);
        at.add(d.k.row(t), d_bonus * r * rk);
        at.add(dr_k, d_bonus * r * k);
        at.add(dweight, dz * normal);
        at.add(dbias, dz);
      });
    });
  }

 private:
  static constexpr float shortest = 1e-12F, slowest = static_cast<float>(rwkv7_slowest);

  /// Up to W columns of a row.
  struct Lanes {
    int t, c, n;
    void get(vec& v, In m) const { simd::get<W>(v, m.row(t) + c, n); }
    void get(vec& v, const float* parameters) const { simd::get<W>(v, parameters + c, n); }
    void put(Out m, vec const& v) const { simd::put<W>(m.row(t) + c, v, n); }
    void add(float* to, vec const& v) const {
      if (to == nullptr) return;
      vec sum;
      simd::get<W>(sum, to + c, n);
      simd::put<W>(to + c, sum + v, n);
    }
  };
  static void sigmoid(vec& x) {
    simd::exp<W>(x, -x);
    x = 1.0F / (1.0F + x);
  }
  /// exp(-e^{-1/2} s)
  static void decay(vec& s) { simd::exp<W>(s, s * -slowest); }

  /// f(row, first column) for every row of each head.
  template <class F> static void over_heads(B const& b, int N, In rows, F&& f) {
    parallel_for(b.threads, rows.cols() / N, 1 + 8192 / (rows.rows() * N + 1), [&](int from, int to) {
      for (int t = 0; t < rows.rows(); ++t)
        for (int h = from; h < to; ++h) f(t, h * N);
    });
  }
  /// f(lanes) over `columns` of a row.
  template <class F> static void over_lanes(int t, int from, int columns, F&& f) {
    for (int c = 0; c < columns; c += W) f(Lanes{t, from + c, columns - c < W ? columns - c : W});
  }
  template <class F> static void over_rows(B const& b, In rows, F&& f) {
    parallel_for(b.threads, rows.rows(), 1 + 8192 / (rows.cols() + 1), [&](int from, int to) {
      for (int t = from; t < to; ++t) over_lanes(t, 0, rows.cols(), f);
    });
  }
  /// Of a head's k ∘ k_k.
  static float length_of(const float* k, const float* k_k, int N) {
    vec squares{};
    over_lanes(0, 0, N, [&](Lanes at) {
      vec u, kk;
      at.get(u, k), at.get(kk, k_k);
      u *= kk;
      squares += u * u;
    });
    const float length = std::sqrt(simd::sum<W>(squares));
    return length > shortest ? length : shortest;
  }
  struct Head {
    float mean, rstd, bonus;
    Head(In y, Wkv7Rows<const float> const& rows, const float* r_k, int t, int h, int N, double eps) {
      vec sums{}, squares{}, bonuses{};
      over_lanes(t, h, N, [&](Lanes at) {
        vec x, r, k, rk;
        at.get(x, y), at.get(r, rows.r), at.get(k, rows.k), at.get(rk, r_k);
        sums += x;
        bonuses += r * k * rk;
      });
      mean = simd::sum<W>(sums) / static_cast<float>(N);
      bonus = simd::sum<W>(bonuses);
      over_lanes(t, h, N, [&](Lanes at) {
        vec x;
        at.get(x, y);
        x -= mean;
        for (int i = at.n; i < W; ++i) x[i] = 0;
        squares += x * x;
      });
      rstd = 1 / std::sqrt(simd::sum<W>(squares) / static_cast<float>(N) + static_cast<float>(eps));
    }
  };
};

}  // namespace fauna::inline v0
