// The router as kernels: its products, in f32 whatever the policy's, with a warp for each logit and a thread for each
// gradient; its choices with a thread for each row, by the reference's loops. The maths is in op.hpp.
#pragma once
#include <vector>

#include <fauna/backend/memory.hpp>
#include <fauna/backend/simt.cuh>
#include <fauna/ops/router/op.hpp>
#include <fauna/ops/router/ref.hpp>

namespace fauna::inline v0 {
namespace kernels {

struct RouterLogits {
  Matrix<const float> x, gate;
  Matrix<float> logits;
  const float* offset;  ///< [E] or null
  template <class T> FAUNA_KERNEL void operator()(T const& t, int item) const {
    const int r = item / gate.rows(), e = item % gate.rows();
    float sum = 0;
    for (int c = t.lane(); c < x.cols(); c += warp_size) sum += x(r, c) * gate(e, c);
    sum = simt::warp_sum(t, sum);
    if (t.lane() == 0) logits(r, e) = offset ? sum + offset[e] : sum;
  }
};
struct RouterGateGradient {
  Matrix<const float> x, dlogits;
  Matrix<float> dgate;
  FAUNA_KERNEL void operator()(int e, int c) const {
    float sum = dgate(e, c);
    for (int r = 0; r < x.rows(); ++r) sum += dlogits(r, e) * x(r, c);
    dgate(e, c) = sum;
  }
};
struct RouterRowGradient {
  Matrix<const float> gate, dlogits;
  Matrix<float> dx;
  FAUNA_KERNEL void operator()(int r, int c) const {
    float sum = dx(r, c);
    for (int e = 0; e < gate.rows(); ++e) sum += dlogits(r, e) * gate(e, c);
    dx(r, c) = sum;
  }
};
struct RouterForward {
  Choice how;
  Matrix<const float> logits;
  const float* bias;
  Matrix<const float> judged;
  Matrix<float> p;
  Matrix<int> ids;
  Matrix<float> weights;
  FAUNA_KERNEL void operator()(int, int r) const {
    router<Ref<float>>::row(logits.row(r), logits.cols(), how, bias, judged ? judged.row(r) : nullptr, p.row(r),
                            ids.row(r), weights.row(r), ids.cols());
  }
};
struct RouterBackward {
  Choice how;
  Matrix<const float> p;
  Matrix<const int> ids;
  Matrix<const float> weights, dweights, dp;
  Matrix<float> dlogits;
  FAUNA_KERNEL void operator()(int, int r) const {
    router<Ref<float>>::row_backward(p.row(r), p.cols(), how, ids.row(r), weights.row(r), dweights.row(r), ids.cols(),
                                     dp ? dp.row(r) : nullptr, dlogits.row(r));
  }
};
/// One warp, whose lanes have every 32nd row.
struct RouterBalance {
  Choice how;
  Matrix<const float> p;
  const float* shares;
  float* value;
  template <class T> FAUNA_KERNEL void operator()(T const& t, int) const {
    float sum = 0;
    for (int r = t.lane(); r < p.rows(); r += warp_size) {
      float of_row = 0;
      for (int e = 0; e < p.cols(); ++e) of_row += shares[e] * p(r, e);
      sum += of_row / router<Ref<float>>::total(p.row(r), p.cols(), how);
    }
    sum = simt::warp_sum(t, sum);
    if (t.lane() == 0) *value += sum;
  }
};
struct RouterBalanceGradient {
  Choice how;
  Matrix<const float> p;
  const float* shares;
  float weight;
  Matrix<float> dp;
  FAUNA_KERNEL void operator()(int, int r) const {
    for (int e = 0; e < p.cols(); ++e) dp(r, e) = weight * shares[e];
    router<Ref<float>>::through_total(p.row(r), p.cols(), how, dp.row(r));
  }
};
struct RouterZ {
  Matrix<const float> logits;
  float* value;
  template <class T> FAUNA_KERNEL void operator()(T const& t, int) const {
    float sum = 0;
    for (int r = t.lane(); r < logits.rows(); r += warp_size) {
      const float z = router<Ref<float>>::log_sum_exp(logits.row(r), logits.cols());
      sum += z * z;
    }
    sum = simt::warp_sum(t, sum);
    if (t.lane() == 0) *value += sum / static_cast<float>(logits.rows());
  }
};
struct RouterZGradient {
  Matrix<const float> logits;
  float weight;
  Matrix<float> dlogits;
  FAUNA_KERNEL void operator()(int, int r) const {
    router<Ref<float>>::add_z_gradient(logits.row(r), logits.cols(), weight, dlogits.row(r));
  }
};

}  // namespace kernels

template <Device B> struct router<B> {
  static constexpr std::size_t workspace(int, int, int, int) { return 0; }
  static void scores(B const& b, Matrix<const float> x, Matrix<const float> gate, Matrix<float> logits,
                     const float* offset = nullptr) {
    simt::each_row(b, x.rows() * gate.rows(), kernels::RouterLogits{x, gate, logits, offset});
  }
  static void scores_backward(B const& b, Matrix<const float> x, Matrix<const float> gate, Matrix<const float> dlogits,
                              Matrix<float> dgate, Matrix<float> dx) {
    if (dgate) simt::each_element(b, dgate, kernels::RouterGateGradient{x, dlogits, dgate});
    simt::each_element(b, dx, kernels::RouterRowGradient{gate, dlogits, dx});
  }
  static void forward(B const& b, Matrix<const float> logits, Choice const& how, const float* bias, Matrix<float> p,
                      Matrix<int> ids, Matrix<float> weights) {
    simt::each_element(b, 1, logits.rows(), kernels::RouterForward{how, logits, bias, {}, p, ids, weights});
  }
  static void forward(B const& b, Matrix<const float> logits, Choice const& how, Matrix<const float> judged,
                      Matrix<float> p, Matrix<int> ids, Matrix<float> weights) {
    simt::each_element(b, 1, logits.rows(), kernels::RouterForward{how, logits, nullptr, judged, p, ids, weights});
  }
  static void backward(B const& b, Matrix<const float> p, Choice const& how, Matrix<const int> ids,
                       Matrix<const float> weights, Matrix<const float> dweights, Matrix<const float> dp,
                       Matrix<float> dlogits) {
    simt::each_element(b, 1, p.rows(), kernels::RouterBackward{how, p, ids, weights, dweights, dp, dlogits});
  }
  static void balance(B const& b, Matrix<const float> p, Choice const& how, const double* shares, float* value) {
    const auto all = upload_shares(b, p, shares);
    simt::each_row(b, 1, kernels::RouterBalance{how, p, all.data(), value});
  }
  static void balance_gradient(B const& b, Matrix<const float> p, Choice const& how, const double* shares,
                               double weight, Matrix<float> dp) {
    const auto all = upload_shares(b, p, shares);
    simt::each_element(b, 1, p.rows(),
                       kernels::RouterBalanceGradient{how, p, all.data(), static_cast<float>(weight), dp});
  }
  static void z(B const& b, Matrix<const float> logits, float* value) {
    simt::each_row(b, 1, kernels::RouterZ{logits, value});
  }
  static void z_gradient(B const& b, Matrix<const float> logits, double weight, Matrix<float> dlogits) {
    simt::each_element(b, 1, logits.rows(),
                       kernels::RouterZGradient{logits, static_cast<float>(2 * weight / logits.rows()), dlogits});
  }

  template <class T, class F> static void on_host(B const&, Matrix<const T> m, F&& f) {
    std::vector<T> copy(m.size());
    const Matrix<T> host(copy.data(), m.rows(), m.cols());
    read_rows<B>(host, m);
    f(Matrix<const T>(host));
  }
  static void store(B const&, float number, float* to) { memory<B>::write(to, &number, 1); }

 private:
  static auto upload_shares(B const& b, Matrix<const float> p, const double* shares) {
    const std::vector<float> all(shares, shares + p.cols());
    return b.upload(all.data(), p.cols());
  }
};

}  // namespace fauna::inline v0
