#pragma once
#include <fauna/backend/cpu.hpp>
#include <fauna/ops/gemm/cpu.hpp>
#include <fauna/ops/router/ref.hpp>

namespace fauna::inline v0 {

/// The reference's loops, in f32, over the threads: a row has as many numbers as there are experts.
template <class P, isa T, unsigned Tag> struct router<Cpu<P, T, Tag>> {
  using B = Cpu<P, T, Tag>;
  using Rows = router<Ref<float>>;
  using Full = Cpu<f32_products, T, Tag>;
  using Gemm = gemm<Full>;

  static constexpr std::size_t workspace(int rows, int columns, int experts, int threads) {
    std::size_t most = Gemm::workspace(rows, experts, columns, threads);
    for (const std::size_t more :
         {Gemm::workspace(rows, columns, experts, threads), Gemm::workspace(experts, columns, rows, threads)})
      most = more > most ? more : most;
    return most;
  }
  static void scores(B const& b, Matrix<const float> x, Matrix<const float> gate, Matrix<float> logits,
                     const float* offset = nullptr) {
    Gemm::nt(full(b), x, gate, logits, {.bias = offset});
  }
  static void scores_backward(B const& b, Matrix<const float> x, Matrix<const float> gate, Matrix<const float> dlogits,
                              Matrix<float> dgate, Matrix<float> dx) {
    if (dgate) Gemm::tn(full(b), dlogits, x, dgate, {.base = dgate.data(), .base_stride = dgate.stride()});
    Gemm::nn(full(b), dlogits, gate, dx, {.base = dx.data(), .base_stride = dx.stride()});
  }

  static void forward(B const& b, Matrix<const float> logits, Choice const& how, const float* bias, Matrix<float> p,
                      Matrix<int> ids, Matrix<float> weights) {
    parallel_for(b.threads, logits.rows(), 64, [&](int from, int to) {
      for (int r = from; r < to; ++r)
        Rows::row(logits.row(r), logits.cols(), how, bias, nullptr, p.row(r), ids.row(r), weights.row(r), ids.cols());
    });
  }
  static void forward(B const& b, Matrix<const float> logits, Choice const& how, Matrix<const float> judged,
                      Matrix<float> p, Matrix<int> ids, Matrix<float> weights) {
    parallel_for(b.threads, logits.rows(), 64, [&](int from, int to) {
      for (int r = from; r < to; ++r)
        Rows::row(logits.row(r), logits.cols(), how, nullptr, judged.row(r), p.row(r), ids.row(r), weights.row(r),
                  ids.cols());
    });
  }
  static void backward(B const& b, Matrix<const float> p, Choice const& how, Matrix<const int> ids,
                       Matrix<const float> weights, Matrix<const float> dweights, Matrix<const float> dp,
                       Matrix<float> dlogits) {
    parallel_for(b.threads, p.rows(), 64, [&](int from, int to) {
      for (int r = from; r < to; ++r)
        Rows::row_backward(p.row(r), p.cols(), how, ids.row(r), weights.row(r), dweights.row(r), ids.cols(),
                           dp ? dp.row(r) : nullptr, dlogits.row(r));
    });
  }

 private:
  static Full full(B const& b) {
    Full f;
    f.threads = b.threads;
    f.scratch = b.scratch;
    return f;
  }
};

}  // namespace fauna::inline v0
