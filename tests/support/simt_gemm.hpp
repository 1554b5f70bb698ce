// The products of the Simt policy: sums from the reference, then the kernel that follows cuBLASLt.
#pragma once
#include <fauna/ops/gemm/kernel.cuh>
#include <fauna/ops/gemm/ref.hpp>

#include "simt_policy.hpp"

namespace fauna::inline v0 {

template <> struct gemm<test::Simt> {
  using B = test::Simt;
  using R = gemm<Ref<float>>;
  static constexpr std::size_t workspace(int, int, int, int) { return 0; }
  template <class W>
  static void nt(B const& b, Matrix<const float> x, Matrix<W> w, Matrix<float> c, Epilogue<float> const& e = {}) {
    run(b, c, e, [&](Epilogue<float> const& base) { R::nt({}, x, w, c, base); });
  }
  template <class W>
  static void nn(B const& b, Matrix<const float> x, Matrix<W> w, Matrix<float> c, Epilogue<float> const& e = {}) {
    run(b, c, e, [&](Epilogue<float> const& base) { R::nn({}, x, w, c, base); });
  }
  template <class W>
  static void tn(B const& b, Matrix<const float> x, Matrix<W> w, Matrix<float> c, Epilogue<float> const& e = {}) {
    run(b, c, e, [&](Epilogue<float> const& base) { R::tn({}, x, w, c, base); });
  }

 private:
  template <class F> static void run(B const& b, Matrix<float> c, Epilogue<float> e, F const& product) {
    Epilogue<float> sum;
    sum.base = e.base;
    sum.base_stride = e.base_stride;
    {
      const test::DeviceMemory::Open open;
      product(sum);
    }
    e.base = nullptr;
    if (kernels::finishes(e)) b.launch(kernels::Finish{e, c}, simt::element_blocks(c, kernels::Finish::threads));
  }
};

}  // namespace fauna::inline v0
