// test::Kernels and Bf16Kernels on a real device: Cuda<...>, but every launch is waited for, and all memory of the
// program is managed, so that tests can hand their own matrices to kernels. For programs of one .cu file.
#pragma once
#include <cstdio>
#include <cstdlib>
#include <new>

#include <fauna/ops/gemm/cuda.cuh>

#include "simt.hpp"

namespace test {

inline void* managed(std::size_t bytes) {
  void* p = nullptr;
  if (cudaMallocManaged(&p, bytes > 0 ? bytes : 1) != cudaSuccess) {
    std::fputs("no device: nothing was tested\n", stderr);
    std::_Exit(77);
  }
  return p;
}

template <class T> class DeviceArray {
 public:
  explicit DeviceArray(std::size_t n, const T* from = nullptr)
      : data_(n > 0 ? static_cast<T*>(managed(n * sizeof(T))) : nullptr) {
    if (n == 0) return;
    if (from != nullptr) std::memcpy(static_cast<void*>(data_), from, n * sizeof(T));
    else std::memset(static_cast<void*>(data_), 0xff, n * sizeof(T));  // NaN
  }
  DeviceArray(DeviceArray const&) = delete;
  DeviceArray& operator=(DeviceArray const&) = delete;
  ~DeviceArray() { cudaFree(data_); }
  T* data() const { return data_; }

 private:
  T* data_;
};

/// Of every policy.
struct Runs {
  static inline simt::order order = simt::order::ascending;  ///< the device's own: equal bits in three runs
  static inline long launches = 0;
  static constexpr bool same_sums = false;  ///< cuBLASLt may add in another order where others round the operands
};

template <class Products> struct Waiting : Runs {
  using scalar = float;
  using products = Products;
  using Thread = fauna::cuda::Thread;
  using weight = fauna::simt::weight_for<Products>;
  static constexpr long long logits_bytes = 8192;
  int threads = 1;
  fauna::Arena* scratch = nullptr;
  fauna::Arena* host_scratch = nullptr;

  template <class K> void launch(K const& kernel, long long blocks) const {
    ++launches;
    fauna::Cuda<>{}.launch(kernel, blocks);
    fauna::cuda::check(cudaDeviceSynchronize(), "launch");
  }
  template <class T> DeviceArray<T> upload(const T* host, int n) const {
    return DeviceArray<T>(static_cast<std::size_t>(n), host);
  }
  template <class T> void download(T* host, const T* device, int n) const { fauna::Cuda<>{}.download(host, device, n); }
  template <class T> DeviceArray<T> temporary(std::size_t n) const { return DeviceArray<T>(n); }
};

using Kernels = Waiting<fauna::f32_products>;
using Bf16Kernels = Waiting<fauna::bf16_products>;

}  // namespace test

namespace fauna::inline v0 {

template <class P> struct memory<test::Waiting<P>> : memory<Cuda<P>> {};

template <class P> struct gemm<test::Waiting<P>> {
  using B = test::Waiting<P>;
  using G = gemm<Cuda<P>>;
  using In = Matrix<const float>;
  using Around = Epilogue<float>;
  static constexpr std::size_t workspace(int, int, int, int) { return 0; }
  static void nt(B const&, In x, In w, Matrix<float> c, Around const& e = {}) { G::nt({}, x, w, c, e), wait(); }
  static void nt(B const&, In x, Matrix<const bf16> w, Matrix<float> c, Around const& e = {}) {
    G::nt({}, x, w, c, e), wait();
  }
  static void nn(B const&, In x, In w, Matrix<float> c, Around const& e = {}) { G::nn({}, x, w, c, e), wait(); }
  static void tn(B const&, In x, In w, Matrix<float> c, Around const& e = {}) { G::tn({}, x, w, c, e), wait(); }

 private:
  static void wait() { cuda::check(cudaDeviceSynchronize(), "gemm"); }
};

}  // namespace fauna::inline v0

void* operator new(std::size_t bytes) { return test::managed(bytes); }
void* operator new[](std::size_t bytes) { return test::managed(bytes); }
void operator delete(void* p) noexcept { cudaFree(p); }
void operator delete[](void* p) noexcept { cudaFree(p); }
void operator delete(void* p, std::size_t) noexcept { cudaFree(p); }
void operator delete[](void* p, std::size_t) noexcept { cudaFree(p); }
