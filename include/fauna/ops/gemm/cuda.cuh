// Matrix products by cuBLASLt. It takes base and bias into the product; activation, gate and what they keep are a
// kernel after it (kernel.cuh). Both operands are of one type: with weights in bf16, a kernel before it rounds the
// rows.
//
// cuBLASLt thinks in columns: a row-major matrix is its transpose there, so C = A B is asked for as Cᵀ = Bᵀ Aᵀ.
#pragma once
#include <initializer_list>

#include <fauna/backend/cuda.cuh>
#include <fauna/ops/gemm/kernel.cuh>
#include <fauna/ops/gemm/op.hpp>

namespace fauna::inline v0 {

namespace cuda {

/// A product as cuBLASLt sees it. Equal ones use the same algorithm, which is looked for once.
struct Product {
  bool a_flipped, b_flipped;  ///< stored as [K,M]; stored as [N,K]
  int m = 0, n = 0, k = 0;    ///< rows and columns of C; summed
  int lda = 0, ldb = 0, ldc = 0, base_stride = 0;
  bool based = false, biased = false;
  cudaDataType_t operands = CUDA_R_32F;  ///< of A and B; C is f32
  cublasComputeType_t sums = CUBLAS_COMPUTE_32F;
  std::uint32_t alignment = 16;  ///< of the addresses, in bytes
  bool operator==(Product const&) const = default;
};

/// The descriptors and the algorithm of a product.
class Plan {
 public:
  explicit Plan(Product const& p) : product(p) {
    check(cublasLtMatmulDescCreate(&how, p.sums, CUDA_R_32F), "gemm");
    // first operand: B, second: A
    set(CUBLASLT_MATMUL_DESC_TRANSA, p.b_flipped ? CUBLAS_OP_T : CUBLAS_OP_N);
    set(CUBLASLT_MATMUL_DESC_TRANSB, p.a_flipped ? CUBLAS_OP_T : CUBLAS_OP_N);
    if (p.biased) {
      set(CUBLASLT_MATMUL_DESC_EPILOGUE, CUBLASLT_EPILOGUE_BIAS);
      set(CUBLASLT_MATMUL_DESC_BIAS_POINTER, std::uintptr_t{p.alignment});  // for what it says of its alignment
    }
    layout(b, p.operands, p.b_flipped ? p.k : p.n, p.b_flipped ? p.n : p.k, p.ldb);
    layout(a, p.operands, p.a_flipped ? p.m : p.k, p.a_flipped ? p.k : p.m, p.lda);
    layout(base, CUDA_R_32F, p.n, p.m, p.based ? p.base_stride : p.ldc);
    layout(c, CUDA_R_32F, p.n, p.m, p.ldc);

    cublasLtMatmulPreference_t preference = nullptr;
    check(cublasLtMatmulPreferenceCreate(&preference), "gemm");
    const std::size_t bytes = Context::get().workspace.bytes();
    check(cublasLtMatmulPreferenceSetAttribute(preference, CUBLASLT_MATMUL_PREF_MAX_WORKSPACE_BYTES, &bytes,
                                               sizeof bytes),
          "gemm");
    for (const auto which : {CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_A_BYTES, CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_B_BYTES,
                             CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_C_BYTES, CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_D_BYTES})
      check(cublasLtMatmulPreferenceSetAttribute(preference, which, &p.alignment, sizeof p.alignment), "gemm");
    int found = 0;
    cublasLtMatmulHeuristicResult_t best{};
    const auto status =
        cublasLtMatmulAlgoGetHeuristic(Context::get().blas, how, b, a, base, c, preference, 1, &best, &found);
    cublasLtMatmulPreferenceDestroy(preference);
    if (status != CUBLAS_STATUS_SUCCESS || found == 0)
      fail("gemm", "cuBLASLt has no algorithm for " + std::to_string(p.m) + " x " + std::to_string(p.n) + " x " +
                       std::to_string(p.k));
    algorithm = best.algo;
  }
  Plan(Plan&& o) noexcept
      : product(o.product),
        how(std::exchange(o.how, nullptr)),
        a(std::exchange(o.a, nullptr)),
        b(std::exchange(o.b, nullptr)),
        base(std::exchange(o.base, nullptr)),
        c(std::exchange(o.c, nullptr)),
        algorithm(o.algorithm) {}
  Plan& operator=(Plan&&) = delete;
  ~Plan() {
    for (auto* l : {a, b, base, c})
      if (l != nullptr) cublasLtMatrixLayoutDestroy(l);
    if (how != nullptr) cublasLtMatmulDescDestroy(how);
  }
  template <class V> void set(cublasLtMatmulDescAttributes_t what, V const& v) {
    check(cublasLtMatmulDescSetAttribute(how, what, &v, sizeof v), "gemm");
  }

  Product product;
  cublasLtMatmulDesc_t how = nullptr;
  cublasLtMatrixLayout_t a = nullptr, b = nullptr, base = nullptr, c = nullptr;
  cublasLtMatmulAlgo_t algorithm{};

  /// The plan of a product, made when it is first seen.
  static Plan& of(Product const& p) {
    static std::vector<Plan> plans;
    for (Plan& known : plans)
      if (known.product == p) return known;
    return plans.emplace_back(p);
  }

 private:
  static void layout(cublasLtMatrixLayout_t& l, cudaDataType_t type, int rows, int cols, int stride) {
    check(cublasLtMatrixLayoutCreate(&l, type, static_cast<std::uint64_t>(rows), static_cast<std::uint64_t>(cols),
                                     stride),
          "gemm");
  }
};

}  // namespace cuda

template <class P> struct gemm<Cuda<P>> {
  using B = Cuda<P>;

  static constexpr std::size_t workspace(int, int, int, int) { return 0; }

  static void nt(B const& b, Matrix<const float> x, Matrix<const float> w, Matrix<float> c,
                 Epilogue<float> const& e = {}) {
    run(b, {.a_flipped = false, .b_flipped = true, .k = x.cols()}, x, w, c, e);
  }
  static void nt(B const& b, Matrix<const float> x, Matrix<const bf16> w, Matrix<float> c,
                 Epilogue<float> const& e = {}) {
    const kernels::InBf16<B> rounded(b, x);
    run(b, {.a_flipped = false, .b_flipped = true, .k = x.cols()}, rounded.view(), w, c, e);
  }
  static void nn(B const& b, Matrix<const float> x, Matrix<const float> w, Matrix<float> c,
                 Epilogue<float> const& e = {}) {
    run(b, {.a_flipped = false, .b_flipped = false, .k = x.cols()}, x, w, c, e);
  }
  static void tn(B const& b, Matrix<const float> x, Matrix<const float> w, Matrix<float> c,
                 Epilogue<float> const& e = {}) {
    run(b, {.a_flipped = true, .b_flipped = false, .k = x.rows()}, x, w, c, e);
  }

 private:
  template <class E>
  static void run(B const& backend, cuda::Product p, Matrix<const E> a, Matrix<const E> b, Matrix<float> c,
                  Epilogue<float> e) {
    if (c.rows() == 0 || c.cols() == 0) return;
    p.m = c.rows();
    p.n = c.cols();
    p.lda = a.stride();
    p.ldb = b.stride();
    p.ldc = c.stride();
    p.based = e.base != nullptr;
    p.base_stride = p.based ? e.base_stride : 0;
    p.biased = e.bias != nullptr;
    if (std::is_same_v<E, bf16>) p.operands = CUDA_R_16BF;
    else if (std::is_same_v<P, bf16_products>) p.sums = CUBLAS_COMPUTE_32F_FAST_16BF;
    auto addresses = std::uintptr_t{p.alignment};
    for (const void* at : std::initializer_list<const void*>{a.data(), b.data(), c.data(), e.base, e.bias})
      addresses |= reinterpret_cast<std::uintptr_t>(at);
    p.alignment = static_cast<std::uint32_t>(addresses & (~addresses + 1));  // the largest power of two in all of them
    cuda::Plan& plan = cuda::Plan::of(p);
    if (p.biased) plan.set(CUBLASLT_MATMUL_DESC_BIAS_POINTER, e.bias);
    auto& context = cuda::Context::get();
    const float one = 1, beta = p.based ? 1 : 0;
    cuda::check(cublasLtMatmul(context.blas, plan.how, &one, b.data(), plan.b, a.data(), plan.a, &beta,
                               p.based ? e.base : c.data(), plan.base, c.data(), plan.c, &plan.algorithm,
                               context.workspace.data(), context.workspace.bytes(), context.stream),
                "gemm");
    e.base = e.bias = nullptr;  // done
    kernels::finish(backend, e, c);
  }
};

}  // namespace fauna::inline v0
