// The reference matrix product: three loops, generic in the scalar.
#pragma once
#include <cstddef>

#include <fauna/core/dtype.hpp>
#include <fauna/ops/activation/ref.hpp>
#include <fauna/ops/gemm/op.hpp>

namespace fauna::inline v0 {

template <class S> struct gemm<Ref<S>> {
  template <class A, int M, int K, class W, int N, int K2, int M2, int N2>
  static void nt(Ref<S> const&, View<A, M, K> x, View<W, N, K2> w, View<S, M2, N2> c, Epilogue<S> const& e = {}) {
    run(
        x.rows(), w.rows(), x.cols(), [&](int i, int k) { return value(x(i, k)); },
        [&](int k, int j) { return value(w(j, k)); }, c.data(), c.stride(), e);
  }
  template <class A, int M, int K, class W, int K2, int N, int M2, int N2>
  static void nn(Ref<S> const&, View<A, M, K> x, View<W, K2, N> w, View<S, M2, N2> c, Epilogue<S> const& e = {}) {
    run(
        x.rows(), w.cols(), x.cols(), [&](int i, int k) { return value(x(i, k)); },
        [&](int k, int j) { return value(w(k, j)); }, c.data(), c.stride(), e);
  }
  template <class A, int K, int M, class W, int K2, int N, int M2, int N2>
  static void tn(Ref<S> const&, View<A, K, M> x, View<W, K2, N> w, View<S, M2, N2> c, Epilogue<S> const& e = {}) {
    run(
        x.cols(), w.cols(), x.rows(), [&](int i, int k) { return value(x(k, i)); },
        [&](int k, int j) { return value(w(k, j)); }, c.data(), c.stride(), e);
  }
  static constexpr std::size_t workspace(int, int, int, int) { return 0; }

 private:
  static S value(S x) { return x; }
  static S value(bf16 x) { return S(static_cast<float>(x)); }

  template <class A, class B>
  static void run(int m, int n, int k, A a, B b, S* c, std::ptrdiff_t stride, Epilogue<S> const& e) {
    for (std::ptrdiff_t i = 0; i < m; ++i) {
      for (int j = 0; j < n; ++j) {
        S sum = e.base ? e.base[i * e.base_stride + j] : S(0);
        for (int p = 0; p < k; ++p) sum += a(static_cast<int>(i), p) * b(p, j);
        if (e.bias) sum += e.bias[j];
        if (e.pre) e.pre[i * e.pre_stride + j] = sum;
        if (e.gate) sum *= activation_gradient(e.act, e.gate[i * e.gate_stride + j]);
        else sum = activation_value(e.act, sum);
        c[i * stride + j] = sum;
      }
    }
  }
};

}  // namespace fauna::inline v0
