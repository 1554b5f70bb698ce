// Matrix products on all cores, packing included. Every figure is a share of the multiply-add peak that is measured
// beside it in the same run (support/peak.hpp): `share` is the median of interleaved samples, `clean` their number.
//   gemm_f32_N, gemm_bf16_N, gemm_bf16w_N   square, y = x W^T: f32; bf16 from f32 storage; bf16 from bf16 storage
//   gemm_small_P                            a layer's three products for 768 rows, the layers of a small GPT
//   gemm_square_P                           its attention's output projection, 128 x 128
//   gemm_gpt2_P                             the same for 256 rows and the layers of GPT-2 124M
// The last two report each product and, under their bare name, the worst: 0 where one could not be measured
// undisturbed.
#include <benchmark/benchmark.h>
#include <sys/mman.h>

#include <Eigen/Core>
#include <cstdlib>
#include <fauna/ops/gemm/cpu.hpp>
#include <string>
#include <vector>

#include "support/peak.hpp"

using namespace fauna;

namespace {

/// Memory in large pages, where the system grants them.
template <class T> class Block {
 public:
  explicit Block(std::size_t n)
      : bytes_((n * sizeof(T) + page - 1) / page * page), data_(static_cast<T*>(std::aligned_alloc(page, bytes_))) {
    madvise(data_, bytes_, MADV_HUGEPAGE);
    for (std::size_t i = 0; i < n; ++i)
      data_[i] = T(static_cast<float>(i * 2654435761U % 2001U) * 1e-3F - 1.0F);  // in [-1, 1]
  }
  Block(Block const&) = delete;
  Block& operator=(Block const&) = delete;
  ~Block() { std::free(data_); }
  T* data() const { return data_; }
  std::size_t bytes() const { return bytes_; }

 private:
  static constexpr std::size_t page = std::size_t{1} << 21;
  std::size_t bytes_;
  T* data_;
};

enum class form { nt, nn, tn };
constexpr const char* name_of(form f) { return f == form::nt ? "forward" : f == form::nn ? "dX" : "dW"; }

struct Shape {
  form f;
  int m, n, k;
  double flops() const { return 2.0 * m * n * k; }
};

template <class Products> constexpr bench::limit limit_of = bench::limit::f32;
template <> constexpr bench::limit limit_of<bf16_products> = bench::limit::bf16;

/// One product: C = A B, or for a weight gradient C += A B.
template <class Products, class E> class Problem {
 public:
  using B = Cpu<Products>;
  explicit Problem(Shape const& s)
      : s_(s),
        a_(count(s.m, s.k)),
        b_(count(s.n, s.k)),
        c_(count(s.m, s.n)),
        scratch_(gemm<B>::workspace(s.m, s.n, s.k, default_threads()) / 4),
        arena_(scratch_.data(), scratch_.bytes()) {
    backend_.threads = default_threads();
    backend_.scratch = &arena_;
  }
  void run() {
    const Matrix<float> c(c_.data(), s_.m, s_.n);
    if (s_.f == form::nt)
      gemm<B>::nt(backend_, Matrix<const E>(a_.data(), s_.m, s_.k), Matrix<const E>(b_.data(), s_.n, s_.k), c);
    else if (s_.f == form::nn)
      gemm<B>::nn(backend_, Matrix<const E>(a_.data(), s_.m, s_.k), Matrix<const E>(b_.data(), s_.k, s_.n), c);
    else
      gemm<B>::tn(backend_, Matrix<const E>(a_.data(), s_.k, s_.m), Matrix<const E>(b_.data(), s_.k, s_.n), c,
                  {.base = c.data(), .base_stride = s_.n});
  }
  /// The same with Eigen, f32 only.
  void run_eigen() {
    using Dense = Eigen::Matrix<float, Eigen::Dynamic, Eigen::Dynamic, Eigen::RowMajor>;
    Eigen::Map<Dense> c(c_.data(), s_.m, s_.n);
    const Eigen::Map<const Dense> a(a_.data(), s_.f == form::tn ? s_.k : s_.m, s_.f == form::tn ? s_.m : s_.k),
        b(b_.data(), s_.f == form::nt ? s_.n : s_.k, s_.f == form::nt ? s_.k : s_.n);
    if (s_.f == form::nt) c.noalias() = a * b.transpose();
    else if (s_.f == form::nn) c.noalias() = a * b;
    else c.noalias() += a.transpose() * b;
  }
  bench::Share share(int samples, double patience) {
    return bench::share_of_peak(
        limit_of<Products>, default_threads(), s_.flops(), [this] { run(); }, samples, patience);
  }
  bench::Share share_of_eigen(int samples) {
    return bench::share_of_peak(
        limit_of<Products>, default_threads(), s_.flops(), [this] { run_eigen(); }, samples, 5);
  }

 private:
  static std::size_t count(int rows, int cols) {
    return static_cast<std::size_t>(rows) * static_cast<std::size_t>(cols);
  }
  Shape s_;
  Block<E> a_, b_;
  Block<float> c_, scratch_;
  Arena arena_;
  B backend_;
};

template <class Products, class E> void square(const char* name, int n) {
  benchmark::RegisterBenchmark(name, [n](benchmark::State& state) {
    Problem<Products, E> problem({form::nt, n, n, n});
    for (auto _ : state) problem.run();
    const bench::Share s = problem.share(31, 20);
    state.counters["GFLOP/s"] = s.rate * 1e-9;
    state.counters["peak"] = s.peak * 1e-9;
    state.counters["share"] = s.share;
    state.counters["clean"] = s.clean;
  })->Unit(benchmark::kMillisecond);
}

struct Layer {
  int in, out;
};
const std::vector<Layer> small_layers{{128, 512}, {512, 128}, {128, 384}}, square_layers{{128, 128}};
const std::vector<Layer> gpt2_layers{{768, 2304}, {768, 768}, {768, 3072}, {3072, 768}, {768, 50257}};

/// Registers the three products of each layer, then a line with the worst of them. Eigen stands beside small f32 ones.
template <class Products> void layers(std::string const& name, int rows, std::vector<Layer> const& all) {
  static std::vector<double> shares;
  const bool beside_eigen = limit_of<Products> == bench::limit::f32 && rows == 768;
  for (Layer l : all)
    for (Shape s :
         {Shape{form::nt, rows, l.out, l.in}, Shape{form::nn, rows, l.in, l.out}, Shape{form::tn, l.out, l.in, rows}}) {
      const std::string full = name + "/" + std::to_string(l.in) + "to" + std::to_string(l.out) + "/" + name_of(s.f);
      const std::size_t index = shares.size();
      shares.push_back(1e9);  // not measured, if a filter leaves it out
      benchmark::RegisterBenchmark(full.c_str(), [=](benchmark::State& state) {
        Problem<Products, float> problem(s);
        for (auto _ : state) problem.run();
        const bench::Share share = problem.share(15, 10);
        state.counters["GFLOP/s"] = share.rate * 1e-9;
        state.counters["share"] = share.share;
        state.counters["clean"] = share.clean;
        if (beside_eigen) {
          const double eigen = problem.share_of_eigen(9).share;
          state.counters["over_eigen"] = eigen > 0 ? share.share / eigen : 0;
        }
        shares[index] = share.share;
      })->Unit(benchmark::kMicrosecond);
    }
  benchmark::RegisterBenchmark(name.c_str(), [](benchmark::State& state) {
    for (auto _ : state) {}
    state.counters["share"] = *std::min_element(shares.begin(), shares.end());
  });
}

}  // namespace

int main(int argc, char** argv) {
  benchmark::Initialize(&argc, argv);
  if (benchmark::ReportUnrecognizedArguments(argc, argv)) return 1;
  square<f32_products, float>("gemm_f32_1024", 1024);
  square<f32_products, float>("gemm_f32_2048", 2048);
  square<bf16_products, float>("gemm_bf16_1024", 1024);
  square<bf16_products, float>("gemm_bf16_2048", 2048);
  square<bf16_products, bf16>("gemm_bf16w_1024", 1024);
  layers<f32_products>("gemm_small_f32", 768, small_layers);
  layers<f32_products>("gemm_square_f32", 768, square_layers);
  layers<bf16_products>("gemm_small_bf16", 768, small_layers);
  layers<f32_products>("gemm_gpt2_f32", 256, gpt2_layers);
  layers<bf16_products>("gemm_gpt2_bf16", 256, gpt2_layers);
  benchmark::RunSpecifiedBenchmarks();
  benchmark::Shutdown();
}
