// The CUDA policy: one stream, on the device that is current when the first model is made. Ops are launched and not
// waited for; only copies to the host wait.
#pragma once
#include <cublasLt.h>
#include <cuda_runtime.h>

#include <vector>

#include <fauna/backend/memory.hpp>
#include <fauna/backend/simt.cuh>
#include <fauna/core/dtype.hpp>

namespace fauna::inline v0 {

namespace cuda {

/// Throws what the driver says, as an error of `what`.
inline void check(cudaError_t status, const char* what) {
  if (status != cudaSuccess)
    fail(what, std::string(cudaGetErrorName(status)) + ": " + cudaGetErrorString(status), {},
         status == cudaErrorMemoryAllocation ? "would a smaller batch or context fit?"
         : status == cudaErrorNoKernelImageForDevice
             ? "was the program compiled for this device's architecture (nvcc -arch)?"
             : "");
}
inline void check(cublasStatus_t status, const char* what) {
  if (status != CUBLAS_STATUS_SUCCESS) fail(what, std::string("cuBLASLt says ") + cublasLtGetStatusString(status));
}

/// Throws where there is no device.
inline void require_device() {
  int devices = 0;
  if (cudaGetDeviceCount(&devices) != cudaSuccess || devices == 0)
    fail("cuda", "no device", "a GPU and its driver", "nvidia-smi shows what the driver sees");
}

/// Memory of the device, zero at first.
class Memory {
 public:
  Memory() = default;
  explicit Memory(std::size_t bytes) : bytes_(bytes) {
    if (bytes == 0) return;
    require_device();
    check(cudaMalloc(&data_, bytes), "cuda.memory");
    check(cudaMemset(data_, 0, bytes), "cuda.memory");
    check(cudaDeviceSynchronize(), "cuda.memory");  // the zeros are not written by the stream of the ops
  }
  Memory(Memory&& o) noexcept : data_(std::exchange(o.data_, nullptr)), bytes_(std::exchange(o.bytes_, 0)) {}
  Memory& operator=(Memory&& o) noexcept {
    std::swap(data_, o.data_);
    std::swap(bytes_, o.bytes_);
    return *this;
  }
  ~Memory() { cudaFree(data_); }  // of null: nothing; waits for whoever uses it
  void* data() const { return data_; }
  std::size_t bytes() const { return bytes_; }
  Arena arena() const { return data_ ? Arena(data_, bytes_) : Arena(); }

 private:
  void* data_ = nullptr;
  std::size_t bytes_ = 0;
};

/// What all ops share: the stream, cuBLASLt and its workspace.
struct Context {
  cudaStream_t stream = nullptr;
  cublasLtHandle_t blas = nullptr;
  Memory workspace;
  int reads_host_tables = 0;  ///< the device reads the host's memory where it lies, without a driver in between

  static Context& get() {
    static Context one;
    return one;
  }
  Context(Context const&) = delete;
  Context& operator=(Context const&) = delete;

 private:
  Context() {
    require_device();
    check(cudaStreamCreateWithFlags(&stream, cudaStreamNonBlocking), "cuda.stream");
    check(cublasLtCreate(&blas), "cuda.blas");
    workspace = Memory(std::size_t{32} << 20);
    // Temporaries come from the device's pool; freed memory stays in it, so that the next step asks nobody.
    int device = 0;
    cudaMemPool_t pool = nullptr;
    std::uint64_t all = ~std::uint64_t{0};
    check(cudaGetDevice(&device), "cuda");
    check(cudaDeviceGetAttribute(&reads_host_tables, cudaDevAttrPageableMemoryAccessUsesHostPageTables, device),
          "cuda");
    check(cudaDeviceGetDefaultMemPool(&pool, device), "cuda.pool");
    check(cudaMemPoolSetAttribute(pool, cudaMemPoolAttrReleaseThreshold, &all), "cuda.pool");
  }
  ~Context() {
    cublasLtDestroy(blas);
    cudaStreamDestroy(stream);
  }
};

/// Copies between the host and the device, behind what was launched before; waits.
inline void copy(void* to, const void* from, std::size_t bytes, cudaMemcpyKind kind) {
  const auto stream = Context::get().stream;
  check(cudaMemcpyAsync(to, from, bytes, kind, stream), "cuda.copy");
  check(cudaStreamSynchronize(stream), "cuda.copy");
}

/// Memory for as long as this lives, in the order of the stream: kernels launched before its end may still use it.
template <class T> class Temporary {
 public:
  explicit Temporary(std::size_t n) {
    void* p = nullptr;
    if (n > 0) check(cudaMallocAsync(&p, n * sizeof(T), Context::get().stream), "cuda.temporary");
    data_ = static_cast<T*>(p);
  }
  Temporary(Temporary const&) = delete;
  Temporary& operator=(Temporary const&) = delete;
  ~Temporary() {
    if (data_ != nullptr) cudaFreeAsync(data_, Context::get().stream);
  }
  T* data() const { return data_; }

 protected:
  T* data_;
};
template <class T> struct Uploaded : Temporary<T> {
  /// `host` has been read when this returns: memory that is not pinned is staged by the driver, or else waited for.
  Uploaded(const T* host, int n) : Temporary<T>(static_cast<std::size_t>(n)) {
    if (n == 0) return;
    auto const& context = Context::get();
    check(cudaMemcpyAsync(this->data_, host, static_cast<std::size_t>(n) * sizeof(T), cudaMemcpyHostToDevice,
                          context.stream),
          "cuda.upload");
    if (context.reads_host_tables) check(cudaStreamSynchronize(context.stream), "cuda.upload");
  }
};

/// The thread of backend/simt.cuh.
struct Thread {
  __device__ int index() const { return static_cast<int>(threadIdx.x); }
  __device__ int block() const { return static_cast<int>(blockIdx.x); }
  __device__ int blocks() const { return static_cast<int>(gridDim.x); }
  __device__ int lane() const { return index() % warp_size; }
  __device__ int warp() const { return index() / warp_size; }
  __device__ void sync() const { __syncthreads(); }
  __device__ bool sync_or(bool v) const { return __syncthreads_or(v) != 0; }
  template <class V> __device__ V lane_xor(V v, int mask) const { return __shfl_xor_sync(~0U, v, mask); }
  template <class V> __device__ V lane_down(V v, int n) const { return __shfl_down_sync(~0U, v, n); }
  template <class V> __device__ V from_lane(V v, int i) const { return __shfl_sync(~0U, v, i); }
  __device__ unsigned ballot(bool v) const { return __ballot_sync(~0U, v); }
  __device__ bool any(bool v) const { return __any_sync(~0U, v) != 0; }
  __device__ bool all(bool v) const { return __all_sync(~0U, v) != 0; }
  __device__ int add_atomic(int* p, int v) const { return atomicAdd(p, v); }
};

template <class K> __global__ void __launch_bounds__(K::threads, 1) run(const __grid_constant__ K kernel) {
  static_assert(sizeof(typename K::Shared) <= 48 << 10, "fauna: a block has 48 KiB of shared memory");
  __shared__ typename K::Shared shared;
  kernel(Thread{}, shared);
}

}  // namespace cuda

/// Products: f32_products, or bf16_products (tensor cores round the operands; from compute capability 8.0 on).
template <class Products = f32_products> struct Cuda {
  using scalar = float;
  using products = Products;
  using Thread = cuda::Thread;
  using weight = simt::weight_for<Products>;
  static constexpr long long logits_bytes = 128LL << 20;  ///< of cross_entropy at once
  int threads = 1;                                        ///< of the host
  Arena* scratch = nullptr;                               ///< device memory
  Arena* host_scratch = nullptr;                          ///< the host's

  template <class K> void launch(K const& kernel, long long blocks) const {
    if (blocks == 0) return;
    if (blocks > 0x7fffffffLL) fail("cuda.launch", std::to_string(blocks) + " blocks", "at most 2147483647");
    cuda::run<<<static_cast<unsigned>(blocks), K::threads, 0, cuda::Context::get().stream>>>(kernel);
    cuda::check(cudaGetLastError(), "cuda.launch");
  }
  template <class T> cuda::Uploaded<T> upload(const T* host, int n) const { return {host, n}; }
  template <class T> void download(T* host, const T* device, int n) const {
    cuda::copy(host, device, static_cast<std::size_t>(n) * sizeof(T), cudaMemcpyDeviceToHost);
  }
  template <class T> cuda::Temporary<T> temporary(std::size_t n) const { return cuda::Temporary<T>(n); }
};

template <class P> struct memory<Cuda<P>> {
  using region = cuda::Memory;
  static constexpr bool remote = true;
  template <class T> static void write(T* tensor, const T* host, std::size_t n) {
    cuda::copy(tensor, host, n * sizeof(T), cudaMemcpyHostToDevice);
  }
  template <class T> static void read(T* host, const T* tensor, std::size_t n) {
    cuda::copy(host, tensor, n * sizeof(T), cudaMemcpyDeviceToHost);
  }
};

}  // namespace fauna::inline v0
