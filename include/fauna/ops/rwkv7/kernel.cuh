// What stands around the recurrence of RWKV-7 as kernels: a warp for each head of a row. The maths is in op.hpp.
#pragma once
#include <cmath>

#include <fauna/backend/simt.cuh>
#include <fauna/ops/add/kernel.cuh>
#include <fauna/ops/rwkv7/op.hpp>

namespace fauna::inline v0 {
namespace kernels {

inline constexpr float rwkv7_shortest = 1e-12F;

/// What `inputs` reads, by heads of N columns.
struct Rwkv7Before {
  int N;
  Matrix<const float> w, k, a;
  const float *k_k, *k_a;

  FAUNA_KERNEL int heads() const { return k.cols() / N; }
  /// |k ∘ k_k| of the head that begins at column h, in every lane of a warp.
  template <class T> FAUNA_KERNEL float length(T const& thread, int t, int h) const {
    float squares = 0;
    for (int c = h + thread.lane(); c < h + N; c += warp_size) squares += k(t, c) * k_k[c] * (k(t, c) * k_k[c]);
    squares = simt::warp_sum(thread, squares);
    return squares > rwkv7_shortest * rwkv7_shortest ? std::sqrt(squares) : rwkv7_shortest;
  }
};

struct Rwkv7Inputs {
  Rwkv7Before in;
  Wkv7Rows<float> out;
  template <class T> FAUNA_KERNEL void operator()(T const& thread, int row) const {
    const int t = row / in.heads(), h = row % in.heads() * in.N;
    const float length = in.length(thread, t, h);
    for (int c = h + thread.lane(); c < h + in.N; c += warp_size) {
      const float alpha = simt::sigmoid(in.a(t, c)), k = in.k(t, c), kappa = k * in.k_k[c] / length;
      out.w(t, c) = std::exp(-static_cast<float>(rwkv7_slowest) * simt::sigmoid(in.w(t, c)));
      out.k(t, c) = k * (1 + (alpha - 1) * in.k_a[c]);
      out.a(t, c) = -kappa;
      out.b(t, c) = kappa * alpha;
    }
  }
};

/// dw, dk and da may be those of d: each lane reads its elements before it writes them. What the gradients of k_k and
/// k_a are sums of is written to terms.
struct Rwkv7InputsBackward {
  Rwkv7Before in;
  Wkv7Rows<const float> d;
  Matrix<float> dw, dk, da, of_k_k, of_k_a;
  template <class T> FAUNA_KERNEL void operator()(T const& thread, int row) const {
    const int t = row / in.heads(), h = row % in.heads() * in.N;
    const float length = in.length(thread, t, h);
    float along = 0;  // κ · dκ; where the length is held at its least value, it has no gradient
    for (int c = h + thread.lane(); length > rwkv7_shortest && c < h + in.N; c += warp_size)
      along += in.k(t, c) * in.k_k[c] / length * (d.b(t, c) * simt::sigmoid(in.a(t, c)) - d.a(t, c));
    along = simt::warp_sum(thread, along);
    for (int c = h + thread.lane(); c < h + in.N; c += warp_size) {
      const float alpha = simt::sigmoid(in.a(t, c)), s = simt::sigmoid(in.w(t, c)), k = in.k(t, c),
                  kappa = k * in.k_k[c] / length, of_k = d.k(t, c), of_b = d.b(t, c),
                  du = (of_b * alpha - d.a(t, c) - kappa * along) / length;
      constexpr auto slowest = static_cast<float>(rwkv7_slowest);
      of_k_k(t, c) = du * k;
      of_k_a(t, c) = of_k * k * (alpha - 1);
      dw(t, c) = -slowest * d.w(t, c) * std::exp(-slowest * s) * s * (1 - s);
      dk(t, c) = du * in.k_k[c] + of_k * (1 + (alpha - 1) * in.k_a[c]);
      da(t, c) = (of_b * kappa + of_k * k * in.k_a[c]) * alpha * (1 - alpha);
    }
  }
};

struct Rwkv7Value {
  Matrix<const float> v, first, gate;
  Matrix<float> y;
  FAUNA_KERNEL void operator()(int t, int c) const {
    y(t, c) = v(t, c) + (first(t, c) - v(t, c)) * simt::sigmoid(gate(t, c));
  }
};
struct Rwkv7ValueBackward {
  Matrix<const float> v, first, gate, dy;
  Matrix<float> dv, dfirst, dgate;
  FAUNA_KERNEL void operator()(int t, int c) const {
    const float s = simt::sigmoid(gate(t, c)), d = dy(t, c);  // read before dv, which may be dy
    dgate(t, c) = d * (first(t, c) - v(t, c)) * s * (1 - s);
    dfirst(t, c) += d * s;
    dv(t, c) = d * (1 - s);
  }
};

/// What `outputs` reads, by heads of N columns.
struct Rwkv7After {
  int N;
  Matrix<const float> y;
  Wkv7Rows<const float> rows;
  Matrix<const float> g;
  const float *r_k, *weight, *bias;
  float eps;

  FAUNA_KERNEL int heads() const { return y.cols() / N; }
  struct Head {
    float mean, rstd, bonus;
  };
  template <class T> FAUNA_KERNEL Head head(T const& thread, int t, int h) const {
    float sum = 0, squares = 0, bonus = 0;
    for (int c = h + thread.lane(); c < h + N; c += warp_size) {
      sum += y(t, c);
      bonus += rows.r(t, c) * rows.k(t, c) * r_k[c];
    }
    const float mean = simt::warp_sum(thread, sum) / static_cast<float>(N);
    for (int c = h + thread.lane(); c < h + N; c += warp_size) squares += (y(t, c) - mean) * (y(t, c) - mean);
    return {mean, 1 / std::sqrt(simt::warp_sum(thread, squares) / static_cast<float>(N) + eps),
            simt::warp_sum(thread, bonus)};
  }
};

struct Rwkv7Outputs {
  Rwkv7After in;
  Matrix<float> out;
  template <class T> FAUNA_KERNEL void operator()(T const& thread, int row) const {
    const int t = row / in.heads(), h = row % in.heads() * in.N;
    const auto head = in.head(thread, t, h);
    for (int c = h + thread.lane(); c < h + in.N; c += warp_size)
      out(t, c) = ((in.y(t, c) - head.mean) * head.rstd * in.weight[c] + in.bias[c] + head.bonus * in.rows.v(t, c)) *
                  in.g(t, c);
  }
};

/// What the gradients of r_k, weight and bias are sums of is written to terms.
struct Rwkv7OutputsBackward {
  Rwkv7After in;
  Matrix<const float> dout;
  Matrix<float> dy;
  Wkv7Rows<float> d;
  Matrix<float> dg, of_r_k, of_weight, of_bias;
  template <class T> FAUNA_KERNEL void operator()(T const& thread, int row) const {
    const int t = row / in.heads(), h = row % in.heads() * in.N;
    const auto head = in.head(thread, t, h);
    float sum = 0, along = 0, d_bonus = 0;
    for (int c = h + thread.lane(); c < h + in.N; c += warp_size) {
      const float dz = dout(t, c) * in.g(t, c), of_normal = dz * in.weight[c];
      sum += of_normal;
      along += of_normal * ((in.y(t, c) - head.mean) * head.rstd);
      d_bonus += dz * in.rows.v(t, c);
    }
    sum = simt::warp_sum(thread, sum) / static_cast<float>(in.N);
    along = simt::warp_sum(thread, along) / static_cast<float>(in.N);
    d_bonus = simt::warp_sum(thread, d_bonus);
    for (int c = h + thread.lane(); c < h + in.N; c += warp_size) {
      const float o = dout(t, c), dz = o * in.g(t, c), normal = (in.y(t, c) - head.mean) * head.rstd,
                  r = in.rows.r(t, c), k = in.rows.k(t, c);
      dg(t, c) = o * (normal * in.weight[c] + in.bias[c] + head.bonus * in.rows.v(t, c));
      dy(t, c) = head.rstd * (dz * in.weight[c] - sum - normal * along);
      d.v(t, c) += head.bonus * dz;
      d.r(t, c) += d_bonus * k * in.r_k[c];
      d.k(t, c) += d_bonus * r * in.r_k[c];
      of_r_k(t, c) = d_bonus * r * k;
      of_weight(t, c) = dz * normal;
      of_bias(t, c) = dz;
    }
  }
};

}  // namespace kernels

template <Device B> struct rwkv7_mix<B> {
  using In = Matrix<const float>;

  static void inputs(B const& b, int N, In w, In k, In a, const float* k_k, const float* k_a, Wkv7Rows<float> out) {
    const kernels::Rwkv7Before in{N, w, k, a, k_k, k_a};
    simt::each_row(b, k.rows() * (k.cols() / N), kernels::Rwkv7Inputs{in, out});
  }
  static void inputs_backward(B const& b, int N, In w, In k, In a, const float* k_k, const float* k_a,
                              Wkv7Rows<const float> d, Matrix<float> dw, Matrix<float> dk, Matrix<float> da,
                              float* dk_k, float* dk_a) {
    const kernels::Rwkv7Before in{N, w, k, a, k_k, k_a};
    const simt::TemporaryMatrix<B> of_k_k(b, k.rows(), k.cols()), of_k_a(b, k.rows(), k.cols());
    simt::each_row(b, k.rows() * (k.cols() / N), kernels::Rwkv7InputsBackward{in, d, dw, dk, da, of_k_k, of_k_a});
    if (dk_k) add<B>::column_sums(b, of_k_k, dk_k);
    if (dk_a) add<B>::column_sums(b, of_k_a, dk_a);
  }

  static void value(B const& b, In v, In first, In gate, Matrix<float> y) {
    simt::each_element(b, y, kernels::Rwkv7Value{v, first, gate, y});
  }
  static void value_backward(B const& b, In v, In first, In gate, In dy, Matrix<float> dv, Matrix<float> dfirst,
                             Matrix<float> dgate) {
    simt::each_element(b, dy, kernels::Rwkv7ValueBackward{v, first, gate, dy, dv, dfirst, dgate});
  }

  static void outputs(B const& b, int N, In y, Wkv7Rows<const float> rows, In g, const float* r_k, const float* weight,
                      const float* bias, double eps, Matrix<float> out) {
    const kernels::Rwkv7After in{N, y, rows, g, r_k, weight, bias, static_cast<float>(eps)};
    simt::each_row(b, y.rows() * (y.cols() / N), kernels::Rwkv7Outputs{in, out});
  }
  static void outputs_backward(B const& b, int N, In y, Wkv7Rows<const float> rows, In g, const float* r_k,
                               const float* weight, const float* bias, double eps, In dout, Matrix<float> dy,
                               Wkv7Rows<float> d, Matrix<float> dg, float* dr_k, float* dweight, float* dbias) {
    const kernels::Rwkv7After in{N, y, rows, g, r_k, weight, bias, static_cast<float>(eps)};
    const int R = y.rows(), C = y.cols();
    const simt::TemporaryMatrix<B> of_r_k(b, R, C), of_weight(b, R, C), of_bias(b, R, C);
    simt::each_row(b, R * (C / N), kernels::Rwkv7OutputsBackward{in, dout, dy, d, dg, of_r_k, of_weight, of_bias});
    if (dr_k) add<B>::column_sums(b, of_r_k, dr_k);
    if (dweight) add<B>::column_sums(b, of_weight, dweight);
    if (dbias) add<B>::column_sums(b, of_bias, dbias);
  }
};

}  // namespace fauna::inline v0
