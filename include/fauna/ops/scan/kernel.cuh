// The selective scan as kernels. Forward: a thread for each channel of a sequence, its states in memory, which lies by
// channels. Backward: the gradients of the states, which alone wait for each other, a thread for each of them; then
// what follows from them, element by element. The maths is in op.hpp.
#pragma once
#include <cmath>

#include <fauna/backend/simt.cuh>
#include <fauna/ops/add/kernel.cuh>
#include <fauna/ops/scan/op.hpp>

namespace fauna::inline v0 {
namespace kernels {

/// A[n,e] = -exp(A_log[e,n])
struct ScanRates {
  Matrix<const float> A_log;
  Matrix<float> A;
  FAUNA_KERNEL void operator()(int n, int e) const { A(n, e) = -std::exp(A_log(e, n)); }
};
struct ScanRatesBackward {
  Matrix<const float> A, dA;
  Matrix<float> dA_log;
  FAUNA_KERNEL void operator()(int e, int n) const { dA_log(e, n) += dA(n, e) * A(n, e); }
};

/// Channel e of sequence q. `running` is the state, or stands for it where nobody asks for what leaves; with h, the
/// states are there.
struct SelectiveScan {
  Batch batch;
  ScanRows<const float> in;
  Matrix<const float> A;
  const float* D;
  Matrix<float> state, running, out, h;

  FAUNA_KERNEL void operator()(int q, int e) const {
    const int N = A.rows(), first = batch.first(q), last = batch.last(q);
    for (int t = first; t < last; ++t) {
      const int p = batch.continues(q, t);
      const float d = simt::softplus(in.dt(t, e)), x = in.x(t, e), z = in.z(t, e);
      float y = D[e] * x;
      for (int n = 0; n < N; ++n) {
        const float before = p >= 0                           ? h ? h(p * N + n, e) : running(q * N + n, e)
                                                       : p == Batch::the_state && state ? state(q * N + n, e)
                                                              : 0;
        const float now = std::exp(d * A(n, e)) * before + d * x * in.b(t, n);
        (h ? h(t * N + n, e) : running(q * N + n, e)) = now;
        y += in.c(t, n) * now;
      }
      out(t, e) = y * z * simt::sigmoid(z);
    }
    if (h && state && last > first)
      for (int n = 0; n < N; ++n) state(q * N + n, e) = h((last - 1) * N + n, e);
  }
};

/// What backward reads.
struct ScanPast {
  Batch batch;
  ScanRows<const float> in;
  Matrix<const float> A;
  const float* D;
  Matrix<const float> entering, h, dout;

  FAUNA_KERNEL float step(int t, int e) const { return simt::softplus(in.dt(t, e)); }
  /// The gradient of y.
  FAUNA_KERNEL float dy(int t, int e) const { return dout(t, e) * in.z(t, e) * simt::sigmoid(in.z(t, e)); }
  /// The state that row t continues.
  FAUNA_KERNEL float before(int t, int n, int e) const {
    const int q = simt::sequence_of(batch, t), p = batch.continues(q, t);
    if (p >= 0) return h(p * A.rows() + n, e);
    return p == Batch::the_state && entering ? entering(q * A.rows() + n, e) : 0;
  }
};

/// G: the gradients of the states after every row, number n of channel e of sequence q: row q N + n.
struct ScanGradients {
  ScanPast past;
  Matrix<float> dstate, G;
  FAUNA_KERNEL void operator()(int row, int e) const {
    Batch const& batch = past.batch;
    const int N = past.A.rows(), q = row / N, n = row % N, first = batch.first(q), last = batch.last(q);
    if (first == last) return;
    float into = 0;  // the gradient of the entering state
    for (int t = first; t < last; ++t) G(t * N + n, e) = 0;
    if (dstate) G((last - 1) * N + n, e) = dstate(row, e);
    for (int t = last - 1; t >= first; --t) {
      const int p = batch.continues(q, t);
      float& g = G(t * N + n, e);
      g += past.dy(t, e) * past.in.c(t, n);
      const float back = std::exp(past.step(t, e) * past.A(n, e)) * g;
      if (p >= 0) G(p * N + n, e) += back;
      else if (p == Batch::the_state) into += back;
    }
    if (dstate) dstate(row, e) = into;
  }
};

/// dx, dz and d(dt) of row t.
struct ScanRowGradients {
  ScanPast past;
  Matrix<const float> G;
  Matrix<float> dx, dz, ddt;
  FAUNA_KERNEL void operator()(int t, int e) const {
    ScanRows<const float> const& in = past.in;
    const int N = past.A.rows();
    const float d = past.step(t, e), dy = past.dy(t, e), x = in.x(t, e), z = in.z(t, e), s = simt::sigmoid(z);
    float y = past.D[e] * x, gB = 0, u_A = 0;
    for (int n = 0; n < N; ++n) {
      const float g = G(t * N + n, e), a = past.A(n, e);
      y += in.c(t, n) * past.h(t * N + n, e);
      gB += g * in.b(t, n);
      u_A += g * std::exp(d * a) * past.before(t, n, e) * a;
    }
    dz(t, e) = past.dout(t, e) * y * s * (1 + z * (1 - s));
    dx(t, e) = past.D[e] * dy + d * gB;
    ddt(t, e) = (x * gB + u_A) * simt::sigmoid(in.dt(t, e));
  }
};

/// dB and dC, number n of row t, by a warp: row t N + n of the states.
struct ScanShared {
  ScanPast past;
  Matrix<const float> G;
  Matrix<float> db, dc;
  template <class T> FAUNA_KERNEL void operator()(T const& thread, int row) const {
    const int N = past.A.rows(), t = row / N, n = row % N;
    float of_b = 0, of_c = 0;
    for (int e = thread.lane(); e < past.A.cols(); e += warp_size) {
      of_b += past.step(t, e) * past.in.x(t, e) * G(row, e);
      of_c += past.dy(t, e) * past.h(row, e);
    }
    of_b = simt::warp_sum(thread, of_b);
    of_c = simt::warp_sum(thread, of_c);
    if (thread.lane() != 0) return;
    db(t, n) = of_b;
    dc(t, n) = of_c;
  }
};

/// dA, of all rows in their order.
struct ScanDecays {
  ScanPast past;
  Matrix<const float> G;
  Matrix<float> dA;
  FAUNA_KERNEL void operator()(int n, int e) const {
    const int N = past.A.rows();
    float sum = 0;
    for (int t = 0; t < past.batch.rows; ++t) {
      const float d = past.step(t, e);
      sum += d * G(t * N + n, e) * std::exp(d * past.A(n, e)) * past.before(t, n, e);
    }
    dA(n, e) += sum;
  }
};

/// What column_sums adds up for dD.
struct ScanSkipTerm {
  ScanPast past;
  FAUNA_KERNEL float operator()(int t, int e) const { return past.dy(t, e) * past.in.x(t, e); }
};

}  // namespace kernels

template <Device B> struct selective_scan<B> {
  /// Backward: the gradients of the states.
  static constexpr std::size_t workspace(int rows, int E, int N) {
    return aligned(static_cast<std::size_t>(rows) * static_cast<std::size_t>(N) * static_cast<std::size_t>(E) *
                   sizeof(float));
  }

  static void rates(B const& b, Matrix<const float> A_log, Matrix<float> A) {
    simt::each_element(b, A, kernels::ScanRates{A_log, A});
  }
  static void rates_backward(B const& b, Matrix<const float> A, Matrix<const float> dA, Matrix<float> dA_log) {
    simt::each_element(b, dA_log, kernels::ScanRatesBackward{A, dA, dA_log});
  }

  static void forward(B const& b, Batch const& batch, ScanRows<const float> in, Matrix<const float> A, const float* D,
                      Matrix<float> state, Matrix<float> out, Matrix<float> h) {
    if (batch.parent && !h)
      fail("selective_scan", "a tree of rows", "rows one after another, or memory for the states after each");
    const simt::BatchOnDevice<B> rows(b, batch);
    const simt::TemporaryMatrix<B> own(b, state || h ? 0 : batch.sequences * A.rows(), A.cols());
    simt::each_element(b, batch.sequences, A.cols(),
                       kernels::SelectiveScan{rows.get(), in, A, D, state, state ? state : own.view(), out, h});
  }

  static void backward(B const& b, Batch const& batch, ScanRows<const float> in, Matrix<const float> A, const float* D,
                       Matrix<const float> entering, Matrix<const float> h, Matrix<const float> dout,
                       ScanRows<float> d_in, Matrix<float> dA, float* dD, Matrix<float> dstate) {
    const simt::BatchOnDevice<B> rows(b, batch);
    const kernels::ScanPast past{rows.get(), in, A, D, entering, h, dout};
    const int R = batch.rows, N = A.rows(), E = A.cols();
    Scope scope(*b.scratch);
    const Matrix<float> G = b.scratch->template take_view<float, dyn, dyn>(R * N, E);
    simt::each_element(b, batch.sequences * N, E, kernels::ScanGradients{past, dstate, G});
    simt::each_element(b, R, E, kernels::ScanRowGradients{past, G, d_in.x, d_in.z, d_in.dt});
    simt::each_row(b, R * N, kernels::ScanShared{past, G, d_in.b, d_in.c});
    if (dA) simt::each_element(b, dA, kernels::ScanDecays{past, G, dA});
    if (dD) simt::column_sums(b, kernels::ScanSkipTerm{past}, R, E, dD);
  }
};

}  // namespace fauna::inline v0
