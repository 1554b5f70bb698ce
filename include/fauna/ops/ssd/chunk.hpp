// A chunk of the recurrence as products: what op.hpp states, one head after another.
#pragma once
#include <cmath>

#include <fauna/core/arena.hpp>
#include <fauna/ops/ssd/op.hpp>
#include <fauna/ops/ssd/product.hpp>

namespace fauna::inline v0::ssd_detail {

inline float step_of(float pre) { return pre > 20 ? pre : std::log1p(std::exp(pre)); }

/// The memory of a chunk of up to `most` rows, and what is computed in it. Columns are padded with zeros to whole
/// vectors; rows to whole tiles, with anything.
template <class Backend> struct Chunk {
  using scalar = typename Backend::scalar;
  static constexpr int W = Backend::lanes;
  using vec = simd::vfloat<W>;
  using P = Product<W>;

  SsdSizes z{};
  int most = 0, wide_q = 0, wide_n = 0, wide_p = 0;
  int first = 0, rows = 0;         ///< the rows of the batch that it holds
  int* before = nullptr;           ///< what each continues: one of the chunk, or `state` or `nothing`
  float *B{}, *C{}, *Bt{}, *CB{};  // of a group
  float *L{}, *X{}, *Y{}, *delta{}, *decay{}, *w{}, *l{};  // of a head; L becomes M
  float *dB{}, *dC{}, *dCB{}, *S{}, *St{}, *Gt{}, *Xt{}, *dM{}, *T{}, *dX{}, *columns{};
  double* dlog{};

  static constexpr int state = -1, nothing = -2;

  constexpr Chunk(Arena& a, SsdSizes const& sizes, int q, bool backward)
      : z(sizes), most(q), wide_q(P::cols(q)), wide_n(P::cols(sizes.states)), wide_p(P::cols(sizes.size)) {
    const auto take = [&a](int n, int m) {  // tiles may read some numbers beyond the last row
      return a.take<float>(static_cast<std::size_t>(n) * static_cast<std::size_t>(m) + 16);
    };
    const int q_rows = P::rows(q);
    before = a.take<int>(static_cast<std::size_t>(q));
    B = take(q_rows, wide_n), C = take(q_rows, wide_n);
    Bt = take(z.states, wide_q);
    CB = take(q_rows, wide_q), L = take(q_rows, wide_q);
    X = take(q_rows, wide_p), Y = take(q_rows, wide_p);
    delta = take(1, wide_q), decay = take(1, wide_q), w = take(1, wide_q), l = take(1, wide_q);
    if (!backward) return;
    dB = take(q_rows, wide_n), dC = take(q_rows, wide_n), T = take(q_rows, wide_n);
    dCB = take(q_rows, wide_q), dM = take(q_rows, wide_q);
    S = take(P::rows(z.states), wide_p);
    St = take(z.size, wide_n), Gt = take(z.size, wide_n);
    Xt = take(z.size, wide_q);
    dX = take(q_rows, wide_p);
    columns = take(1, wide_q);
    dlog = a.take<double>(static_cast<std::size_t>(q));
  }
  /// Numbers of a state as it lies here, [rows(N), wide_p].
  constexpr std::size_t state_size() const {
    return static_cast<std::size_t>(P::rows(z.states)) * static_cast<std::size_t>(wide_p);
  }

  /// Takes rows [first, first + rows) of sequence q, and B, C and C Bᵀ of group g.
  void load(Batch const& batch, int q, int first_, int rows_, int g, SsdRows<const scalar> const& in) {
    first = first_;
    rows = rows_;
    for (int t = 0; t < rows; ++t) {
      const int p = batch.continues(q, first + t);
      before[t] = p == Batch::nothing ? nothing : p < first ? state : p - first;
      read(B + t * wide_n, in.b.row(first + t) + g * z.states, z.states);
      read(C + t * wide_n, in.c.row(first + t) + g * z.states, z.states);
    }
    transpose(rows, z.states, B, wide_n, Bt, wide_q);
    P::run(rows, rows, z.states, {C, wide_n, 1}, Bt, wide_q, CB, wide_q, false);
  }

  /// y of head h, and what leaves in the place of what enters, `now`; !enters: of zeros.
  void forward(int h, SsdRows<const scalar> const& in, SsdHeads<const scalar> const& v, float* now, bool enters,
               Matrix<float> y) {
    decays(h, in, v);
    steps(h, in);
    if (enters) {
      P::run(rows, z.size, z.states, {C, wide_n, 1}, now, wide_p, Y, wide_p, false);
      scale(Y, w);
    }
    for (int i = 0; i < rows * wide_q; i += W) times(L + i, CB + i);
    P::run(rows, z.size, rows, {L, wide_q, 1, triangle::lower}, X, wide_p, Y, wide_p, enters);
    for (int t = 0; t < rows; ++t) {
      const float *x = in.x.row(first + t) + h * z.size, *from = Y + t * wide_p;
      float* to = y.row(first + t) + h * z.size;
      simd::for_lanes<W>(z.size, [=, D = v.D[h]](int c, int n) FAUNA_LANES {
        vec a, s;
        simd::get<W>(a, x + c, n);
        simd::load<W>(s, from + c);
        simd::put<W>(to + c, s + D * a, n);
      });
    }
    scale(X, l);
    if (enters) scale(now, z.states, w[rows - 1]);
    P::run(z.states, z.size, rows, {B, 1, wide_n}, X, wide_p, now, wide_p, enters);
  }

  /// What the heads of a group add to, before the first of them and after the last.
  void begin_group() {
    for (int i = 0; i < rows * wide_q; ++i) dCB[i] = 0;
    for (int i = 0; i < rows * wide_n; ++i) dB[i] = dC[i] = 0;
  }
  void end_group() {
    P::run(rows, z.states, rows, {dCB, wide_q, 1, triangle::lower}, B, wide_n, dC, wide_n, true);
    P::run(rows, z.states, rows, {dCB, 1, wide_q, triangle::upper}, C, wide_n, dB, wide_n, true);
  }

  /// Sums over the rows of a head.
  struct Sums {
    double log_rate, skip, bias;
  };

  /// G: the gradient of the leaving state, and then of the entering one, S.
  void backward(int h, SsdRows<const scalar> const& in, SsdHeads<const scalar> const& v, Matrix<const float> dy,
                float* G, SsdRows<scalar> const& d, Sums& sums) {
    const int last = rows - 1;
    decays(h, in, v);
    steps(h, in);
    float* const dY = Y;
    for (int t = 0; t < rows; ++t) read(dY + t * wide_p, dy.row(first + t) + h * z.size, z.size);
    transpose(rows, z.size, X, wide_p, Xt, wide_q);
    P::run(rows, rows, z.size, {dY, wide_p, 1}, Xt, wide_q, dM, wide_q, false);
    // E adds to the logarithm of every decay on the way from row s to row t: to those up to t, less those up to s.
    for (int s = 0; s < wide_q; ++s) columns[s] = 0;
    for (int t = 0; t < rows; ++t) {
      vec sum{};
      for (int s = 0; s <= t; s += W) {
        const int i = t * wide_q + s;
        vec m, decay_, product, all;
        simd::load<W>(m, dM + i);
        simd::load<W>(decay_, L + i);
        simd::load<W>(product, CB + i);
        m *= decay_;
        simd::load<W>(all, dCB + i);
        simd::store<W>(dCB + i, all + m);
        simd::store<W>(L + i, decay_ * product);
        m *= product;
        sum += m;
        simd::load<W>(all, columns + s);
        simd::store<W>(columns + s, all + m);
      }
      dlog[t] = static_cast<double>(simd::sum<W>(sum));
    }
    for (int s = 0; s < rows; ++s) dlog[s] -= static_cast<double>(columns[s]);
    // What entered, through w; and what leaves, through the last row of L.
    transpose(z.states, z.size, S, wide_p, St, wide_n);
    P::run(rows, z.states, z.size, {dY, wide_p, 1}, St, wide_n, T, wide_n, false);
    for (int t = 0; t < rows; ++t) dlog[t] += through(t, w[t], C, dC);
    transpose(z.states, z.size, G, wide_p, Gt, wide_n);
    P::run(rows, z.states, z.size, {X, wide_p, 1}, Gt, wide_n, T, wide_n, false);
    for (int t = 0; t < rows; ++t) {
      const double e = through(t, l[t], B, dB);
      dlog[t] -= e;
      dlog[last] += e;
    }
    dlog[last] += static_cast<double>(w[last] * dot(S, G, z.states * wide_p));

    P::run(rows, z.size, z.states, {B, wide_n, 1}, G, wide_p, dX, wide_p, false);
    scale(dX, l);
    P::run(rows, z.size, rows, {L, 1, wide_q, triangle::upper}, dY, wide_p, dX, wide_p, true);
    const float A = -std::exp(v.A_log[h]);
    for (int t = last; t >= 0; --t) {
      const float *x = X + t * wide_p, *of_x = dX + t * wide_p, *of_y = dY + t * wide_p;
      float* to = d.x.row(first + t) + h * z.size;
      simd::for_lanes<W>(z.size, [=, D = v.D[h], step = delta[t]](int c, int n) FAUNA_LANES {
        vec a, b;
        simd::load<W>(a, of_x + c);
        simd::load<W>(b, of_y + c);
        simd::put<W>(to + c, step * a + D * b, n);
      });
      read(X + t * wide_p, in.x.row(first + t) + h * z.size, z.size);
      sums.skip += static_cast<double>(dot(of_y, x, wide_p));
      sums.log_rate += dlog[t] * static_cast<double>(delta[t] * A);
      const float pre = in.dt(first + t, h) + v.dt_bias[h],
                  d_step = dot(of_x, x, wide_p) + static_cast<float>(dlog[t]) * A,
                  d_pre = d_step / (1.0F + std::exp(-pre));
      d.dt(first + t, h) = d_pre;
      sums.bias += static_cast<double>(d_pre);
      if (before[t] >= 0) dlog[before[t]] += dlog[t];
    }
    scale(dY, w);
    scale(G, z.states, w[last]);
    P::run(z.states, z.size, rows, {C, 1, wide_n}, dY, wide_p, G, wide_p, true);
  }

 private:
  /// n numbers, and zeros up to whole vectors.
  static void read(float* to, const float* from, int n) {
    simd::for_lanes<W>(n, [=](int c, int left) FAUNA_LANES {
      vec v;
      simd::get<W>(v, from + c, left);
      simd::store<W>(to + c, v);
    });
  }
  static void times(float* to, const float* by) {
    vec a, b;
    simd::load<W>(a, to);
    simd::load<W>(b, by);
    simd::store<W>(to, a * b);
  }
  static float dot(const float* a, const float* b, int n) {
    vec sum{}, x, y;
    for (int i = 0; i < n; i += W) {
      simd::load<W>(x, a + i);
      simd::load<W>(y, b + i);
      sum += x * y;
    }
    return simd::sum<W>(sum);
  }
  /// Each of n rows of wide_p numbers by a number.
  void scale(float* m, int n, float by) const {
    for (int i = 0; i < n * wide_p; i += W) {
      vec v;
      simd::load<W>(v, m + i);
      simd::store<W>(m + i, v * by);
    }
  }
  void scale(float* m, const float* by) const {
    for (int t = 0; t < rows; ++t) scale(m + t * wide_p, 1, by[t]);
  }
  /// T times `by` in row t: added to `gradient`; its product with `other`.
  double through(int t, float by, const float* other, float* gradient) const {
    vec sum{}, x, y;
    for (int i = t * wide_n; i < (t + 1) * wide_n; i += W) {
      simd::load<W>(x, T + i);
      x *= by;
      simd::load<W>(y, gradient + i);
      simd::store<W>(gradient + i, x + y);
      simd::load<W>(y, other + i);
      sum += x * y;
    }
    return static_cast<double>(simd::sum<W>(sum));
  }

  /// δ and the decays of head h: L, its last row l, and w. A row of L is that of the row before it, times a decay:
  /// products of numbers below 1 in the order of time, which lose nothing, where ratios of products would.
  void decays(int h, SsdRows<const scalar> const& in, SsdHeads<const scalar> const& v) {
    const float A = -std::exp(v.A_log[h]);
    for (int t = 0; t < rows; ++t) {
      const int p = before[t];
      delta[t] = step_of(in.dt(first + t, h) + v.dt_bias[h]);
      decay[t] = std::exp(delta[t] * A);
      w[t] = p == nothing ? 0 : p == state ? decay[t] : floored(decay[t] * w[p]);
      float* row = L + t * wide_q;
      for (int s = 0; s < wide_q; s += W) {
        vec now{};
        if (p >= 0) simd::load<W>(now, L + p * wide_q + s);
        now *= decay[t];
        now = now < least ? vec{} : now;
        simd::store<W>(row + s, now);
      }
      row[t] = 1;
    }
    for (int s = 0; s < wide_q; ++s) l[s] = L[(rows - 1) * wide_q + s];
  }
  /// What is smaller counts for nothing beside a row's own 1, and would become subnormal, which is slow.
  static constexpr float least = 1e-30F;
  static float floored(float x) { return x < least ? 0 : x; }

  /// X = δ x.
  void steps(int h, SsdRows<const scalar> const& in) {
    for (int t = 0; t < rows; ++t) {
      read(X + t * wide_p, in.x.row(first + t) + h * z.size, z.size);
      scale(X + t * wide_p, 1, delta[t]);
    }
  }
};

}  // namespace fauna::inline v0::ssd_detail
