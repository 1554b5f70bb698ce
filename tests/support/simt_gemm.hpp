// The products of the Simt policies: sums from the reference, between the kernels that surround cuBLASLt. With bf16
// products all operands are rounded, as the tensor cores do it.
#pragma once
#include <fauna/ops/gemm/kernel.cuh>
#include <fauna/ops/gemm/ref.hpp>

#include "simt_policy.hpp"

namespace fauna::inline v0 {

template <class P> struct gemm<test::Simt<P>> {
  using B = test::Simt<P>;
  using R = gemm<Ref<float>>;
  using In = Matrix<const float>;
  using Around = Epilogue<float>;
  static constexpr std::size_t workspace(int, int, int, int) { return 0; }
  static void nt(B const& b, In x, In w, Matrix<float> c, Around const& e = {}) {
    rounded(b, x, w, [&](auto x_, auto w_) { sums(b, c, e, [&](auto const& base) { R::nt({}, x_, w_, c, base); }); });
  }
  static void nn(B const& b, In x, In w, Matrix<float> c, Around const& e = {}) {
    rounded(b, x, w, [&](auto x_, auto w_) { sums(b, c, e, [&](auto const& base) { R::nn({}, x_, w_, c, base); }); });
  }
  static void tn(B const& b, In x, In w, Matrix<float> c, Around const& e = {}) {
    rounded(b, x, w, [&](auto x_, auto w_) { sums(b, c, e, [&](auto const& base) { R::tn({}, x_, w_, c, base); }); });
  }
  static void nt(B const& b, In x, Matrix<const bf16> w, Matrix<float> c, Around const& e = {}) {
    const kernels::InBf16<B> x_(b, x);
    sums(b, c, e, [&](auto const& base) { R::nt({}, x_.view(), w, c, base); });
  }

 private:
  template <class F> static void rounded(B const& b, In x, In w, F const& product) {
    if constexpr (std::is_same_v<P, bf16_products>) {
      const kernels::InBf16<B> x_(b, x), w_(b, w);
      product(x_.view(), w_.view());
    } else {
      product(x, w);
    }
  }
  template <class F> static void sums(B const& b, Matrix<float> c, Around e, F const& product) {
    Around base;
    base.base = e.base;
    base.base_stride = e.base_stride;
    {
      const test::DeviceMemory::Open open;
      product(base);
    }
    e.base = nullptr;
    kernels::finish(b, e, c);
  }
};

}  // namespace fauna::inline v0
