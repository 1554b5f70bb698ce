#pragma once
#include <vector>

#include <fauna/ops/mamba3/gates.hpp>

namespace fauna::inline v0 {

template <class S> struct mamba3_gates<Ref<S>> {
  static constexpr std::size_t workspace(Mamba3Shape const&, int) { return 0; }

  static void forward(Ref<S> const&, Batch const& batch, Mamba3Shape const& n, Mamba3GateRows<const S> const& in,
                      const S* dt_bias, Mamba3State<S> const& state, Mamba3Gates<S> const& out) {
    const Memory turns = turns_of(in.angle);
    for (int s = 0; s < batch.sequences; ++s)
      for (int h = 0; h < n.heads; ++h) mamba3_detail::forward<S>(batch, n, s, h, in, turns.view, dt_bias, state, out);
  }
  static void backward(Ref<S> const&, Batch const& batch, Mamba3Shape const& n, Mamba3GateRows<const S> const& in,
                       const S* dt_bias, Mamba3State<const S> const& entering, Mamba3Gates<const S> const& out,
                       Mamba3Gates<const S> const& dout, Mamba3GateRows<S> const& d, S* ddt_bias,
                       Mamba3State<S> const& dstate) {
    const Memory turns = turns_of(in.angle);
    Memory N(batch.rows, n.heads), T(batch.rows, n.heads * n.angles);
    for (int s = 0; s < batch.sequences; ++s)
      for (int h = 0; h < n.heads; ++h)
        mamba3_detail::backward<S>(batch, n, s, h, in, turns.view, dt_bias, entering, out, dout, d, ddt_bias, dstate,
                                   N.view, T.view);
    for (int t = 0; t < batch.rows; ++t)
      for (int i = 0; i < n.angles; ++i) {
        S sum(0);
        for (int h = 0; h < n.heads; ++h) sum += T.view(t, h * n.angles + i);
        const S share = turns.view(t, i) / S(mamba3_detail::pi);
        d.angle(t, i) = sum * S(mamba3_detail::pi) * (S(1) - share * share);
      }
  }

 private:
  struct Memory {
    std::vector<S> all;
    Matrix<S> view;
    Memory(int rows, int cols)
        : all(static_cast<std::size_t>(rows) * static_cast<std::size_t>(cols), S(0)), view(all.data(), rows, cols) {}
  };
  static Memory turns_of(Matrix<const S> angle) {
    using std::tanh;
    Memory m(angle.rows(), angle.cols());
    for (int t = 0; t < angle.rows(); ++t)
      for (int i = 0; i < angle.cols(); ++i) m.view(t, i) = S(mamba3_detail::pi) * tanh(angle(t, i));
    return m;
  }
};

template <class S> struct mamba3_heads<Ref<S>> {
  static void forward(Ref<S> const&, Mamba3Shape const& n, Mamba3Side<const S> const& keys,
                      Mamba3Side<const S> const& queries, Matrix<const S> theta, Matrix<S> k, Matrix<S> q) {
    turn(n, keys, theta, k);
    turn(n, queries, theta, q);
  }
  static void backward(Ref<S> const&, Mamba3Shape const& n, Matrix<const S> k, Matrix<const S> q, Matrix<const S> theta,
                       Matrix<S> dk, Matrix<S> dq, Mamba3Side<S> const& dkeys, Mamba3Side<S> const& dqueries,
                       Matrix<S> dtheta) {
    for (int t = 0; t < dtheta.rows(); ++t)
      for (int i = 0; i < dtheta.cols(); ++i) dtheta(t, i) = S(0);
    turn_back(n, k, theta, dk, dkeys, dtheta);
    turn_back(n, q, theta, dq, dqueries, dtheta);
  }

 private:
  static void turn(Mamba3Shape const& n, Mamba3Side<const S> const& side, Matrix<const S> theta, Matrix<S> y) {
    using std::cos, std::sin;
    const int N = n.states;
    for (int t = 0; t < y.rows(); ++t)
      for (int h = 0; h < n.heads; ++h) {
        const int group = h / (n.heads / n.groups);
        for (int i = 0; i < N; ++i) y(t, h * N + i) = side.x(t, group * N + i) + side.bias[h * N + i];
        for (int i = 0; i < n.angles; ++i) {
          const S angle = theta(t, h * n.angles + i), c = cos(angle), s = sin(angle);
          S &y0 = y(t, h * N + 2 * i), &y1 = y(t, h * N + 2 * i + 1);
          const S x0 = y0, x1 = y1;
          y0 = x0 * c - x1 * s;
          y1 = x0 * s + x1 * c;
        }
      }
  }
  static void turn_back(Mamba3Shape const& n, Matrix<const S> y, Matrix<const S> theta, Matrix<S> dy,
                        Mamba3Side<S> const& d, Matrix<S> dtheta) {
    using std::cos, std::sin;
    const int N = n.states;
    for (int t = 0; t < y.rows(); ++t) {
      for (int i = 0; i < n.groups * N; ++i) d.x(t, i) = S(0);
      for (int h = 0; h < n.heads; ++h) {
        for (int i = 0; i < n.angles; ++i) {
          const S angle = theta(t, h * n.angles + i), c = cos(angle), s = sin(angle);
          const int at = h * N + 2 * i;
          const S d0 = dy(t, at), d1 = dy(t, at + 1);
          dtheta(t, h * n.angles + i) += y(t, at) * d1 - y(t, at + 1) * d0;
          dy(t, at) = d0 * c + d1 * s;
          dy(t, at + 1) = d1 * c - d0 * s;
        }
        for (int i = 0; i < N; ++i) {
          d.x(t, h / (n.heads / n.groups) * N + i) += dy(t, h * N + i);
          if (d.bias) d.bias[h * N + i] += dy(t, h * N + i);
        }
      }
    }
  }
};

template <class S> struct mamba3_skip<Ref<S>> {
  static void forward(Ref<S> const&, Mamba3Shape const& n, Mamba3SkipRows<const S> const& in, const S* D, Matrix<S> y) {
    for (int t = 0; t < y.rows(); ++t)
      for (int h = 0; h < n.heads; ++h)
        for (int j = h * n.size; j < (h + 1) * n.size; ++j)
          y(t, j) += (in.now(t, h) * meet(n, in, t, h) + D[h]) * in.v(t, j);
  }
  static void backward(Ref<S> const&, Mamba3Shape const& n, Mamba3SkipRows<const S> const& in, const S* D,
                       Matrix<const S> dy, Mamba3SkipRows<S> const& d, S* dD) {
    for (int t = 0; t < dy.rows(); ++t)
      for (int h = 0; h < n.heads; ++h) {
        const S kq = meet(n, in, t, h);
        S sum(0);
        for (int j = h * n.size; j < (h + 1) * n.size; ++j) {
          sum += dy(t, j) * in.v(t, j);
          d.v(t, j) += (in.now(t, h) * kq + D[h]) * dy(t, j);
        }
        d.now(t, h) = sum * kq;
        if (dD) dD[h] += sum;
        for (int i = h * n.states; i < (h + 1) * n.states; ++i) {
          d.k(t, i) += in.now(t, h) * sum * in.q(t, i);
          d.q(t, i) += in.now(t, h) * sum * in.k(t, i);
        }
      }
  }

 private:
  static S meet(Mamba3Shape const& n, Mamba3SkipRows<const S> const& in, int t, int h) {
    S sum(0);
    for (int i = h * n.states; i < (h + 1) * n.states; ++i) sum += in.k(t, i) * in.q(t, i);
    return sum;
  }
};

}  // namespace fauna::inline v0
