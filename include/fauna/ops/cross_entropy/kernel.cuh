// The head's loss as a kernel on a chunk of rows of logits, between matrix products. targets are in the host's memory:
// they are checked there, then copied.
#pragma once
#include <cmath>

#include <fauna/backend/simt.cuh>
#include <fauna/ops/add/kernel.cuh>
#include <fauna/ops/cross_entropy/op.hpp>
#include <fauna/ops/gemm/op.hpp>

namespace fauna::inline v0 {
namespace kernels {

/// A block for each row of logits z: the loss and, with Gradient, z ← scale (softmax(z) - [v = target]).
template <bool Gradient> struct CrossEntropy {
  static constexpr int warps = 8, threads = warps * warp_size;
  struct Shared {
    float of_warp[warps];
  };
  Matrix<float> z;
  const int* targets;
  int ignore;
  float scale, cap, *losses;

  template <class T> FAUNA_KERNEL void operator()(T const& t, Shared& s) const {
    const int r = t.block(), target = targets[r], V = z.cols();
    float* z_r = z.row(r);
    if (target == ignore) {
      if (t.index() == 0) losses[r] = 0;
      if constexpr (Gradient)
        for (int v = t.index(); v < V; v += threads) z_r[v] = 0;
      return;
    }
    if (cap > 0) {
      for (int v = t.index(); v < V; v += threads) z_r[v] = cap * std::tanh(z_r[v] / cap);
      t.sync();  // z_t is read by one thread
    }
    // One pass for the largest logit and Σ exp(z - largest): a new largest rescales what was summed.
    float m = z_r[t.index() < V ? t.index() : 0], sum = 0;
    for (int v = t.index(); v < V; v += threads) {
      if (z_r[v] > m) {
        sum *= std::exp(m - z_r[v]);
        m = z_r[v];
      }
      sum += std::exp(z_r[v] - m);
    }
    const float most = simt::block_max(t, m, s.of_warp);
    sum = simt::block_sum(t, sum * std::exp(m - most), s.of_warp);
    if (t.index() == 0)  // in double: L and z_t may be large and close
      losses[r] = static_cast<float>(std::log(static_cast<double>(sum)) + static_cast<double>(most) -
                                     static_cast<double>(z_r[target]));
    if constexpr (Gradient) {
      t.sync();  // z_t has been read
      const float factor = scale / sum;
      for (int v = t.index(); v < V; v += threads) {
        const float u = cap > 0 ? z_r[v] / cap : 0;
        z_r[v] = (1 - u * u) * (std::exp(z_r[v] - most) * factor - (v == target ? scale : 0));
      }
    }
  }
};

}  // namespace kernels

template <Device B> struct cross_entropy<B> {
  static constexpr int chunk_rows(int vocab) { return logits_rows(vocab, B::logits_bytes); }
  static constexpr std::size_t workspace(int rows, int cols, int vocab, int threads) {
    const int n = rows < chunk_rows(vocab) ? rows : chunk_rows(vocab);
    return logits_workspace<gemm<B>>(n, cols, vocab, vocab, threads);
  }

  template <class E, int V, int C>
  static void loss(B const& b, Matrix<const float> x, View<E, V, C> w, const float* bias, const int* targets,
                   int ignore, float* losses, double cap = 0) {
    check_targets("cross_entropy.loss", targets, ignore, x.rows(), w.rows());
    over_chunks<false>(b, x, reading(w), bias, targets, ignore, 0, cap, losses, [](int, Matrix<float>) {});
  }

  template <class E, int V, int C>
  static void loss_and_gradient(B const& b, Matrix<const float> x, View<E, V, C> w, const float* bias,
                                const int* targets, int ignore, float scale, float* losses, Matrix<float> dx,
                                Matrix<float> dw, float* dbias, double cap = 0) {
    check_targets("cross_entropy.loss_and_gradient", targets, ignore, x.rows(), w.rows());
    over_chunks<true>(b, x, reading(w), bias, targets, ignore, scale, cap, losses, [&](int first, Matrix<float> dz) {
      if (dbias) add<B>::column_sums(b, dz, dbias);
      if (dw) {
        Epilogue<float> onto;
        onto.base = dw.data();
        onto.base_stride = dw.stride();
        gemm<B>::tn(b, reading(dz), x.middle_rows(first, dz.rows()), dw, onto);
      }
      gemm<B>::nn(b, reading(dz), reading(w), dx.middle_rows(first, dz.rows()));  // last: dx may be x
    });
  }

 private:
  /// f(first row, the gradient of the logits from there) for each chunk.
  template <bool Gradient, class E, class F>
  static void over_chunks(B const& b, Matrix<const float> x, Matrix<const E> w, const float* bias, const int* targets,
                          int ignore, float scale, double cap, float* losses, F&& f) {
    if (x.rows() == 0) return;
    const int chunk = chunk_rows(w.rows()), most = x.rows() < chunk ? x.rows() : chunk;
    const Scope scope(*b.scratch);
    float* const logits =
        b.scratch->template take<float>(static_cast<std::size_t>(most) * static_cast<std::size_t>(w.rows()));
    const auto copy = b.upload(targets, x.rows());
    Epilogue<float> add_bias;
    add_bias.bias = bias;
    for (int first = 0; first < x.rows(); first += chunk) {
      const int n = x.rows() - first < chunk ? x.rows() - first : chunk;
      const Matrix<float> z(logits, n, w.rows());
      gemm<B>::nt(b, x.middle_rows(first, n), w, z, add_bias);
      b.launch(kernels::CrossEntropy<Gradient>{z, copy.data() + first, ignore, scale, static_cast<float>(cap),
                                               losses + first},
               n);
      f(first, z);
    }
  }
};

}  // namespace fauna::inline v0
