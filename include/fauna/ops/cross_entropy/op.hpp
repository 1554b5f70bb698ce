// The output layer of a language model in one op: linear head, softmax, cross-entropy. For row r with target t:
//   z_v = w_v · x_r + b_v      L = log Σ_v exp z_v      loss_r = L - z_t   (nats)
//   dz_v = s (exp(z_v - L) - [v = t])      dx_r = Σ_v dz_v w_v      dw_v += dz_v x_r      db_v += dz_v
// With a cap c (Gemma Team 2024, "Gemma 2", section 2) z'_v = c tanh(z_v / c) stands for z_v, and dz_v is multiplied by
// 1 - (z'_v / c)² (derived in docs/ops/cross_entropy.md). A row whose target is `ignore` has loss 0 and gradient 0.
// Logits exist for a chunk of rows at a time, whose size depends on V alone, and their gradient is written over them:
// training never holds [rows, V].
#pragma once
#include <string>

#include <fauna/core/backend.hpp>
#include <fauna/core/dtype.hpp>
#include <fauna/core/error.hpp>
#include <fauna/core/view.hpp>

namespace fauna::inline v0 {

/// cross_entropy<B>::loss(b, x, w, bias, targets, ignore, losses, cap = 0)
///   x [R,C]; w [V,C] of the backend's scalar or of bf16; bias [V] or null; targets [R]; losses [R] is overwritten
/// cross_entropy<B>::loss_and_gradient(b, x, w, bias, targets, ignore, scale, losses, dx, dw, dbias, cap = 0)
///   scale multiplies the gradients, not the losses (1 / counted rows for a mean); dx [R,C] is overwritten and may be
///   x; dw [V,C] (or a view of null) and dbias [V] (or null) are added to; cap 0: there is none.
/// cross_entropy<B>::workspace(rows, cols, vocab, threads): the bytes that either takes from b.scratch.
/// Both throw for a target that is neither `ignore` nor in [0, V).
template <class B> struct cross_entropy {
  static_assert(always_false<B>,
                "fauna: no cross_entropy for this backend: include <fauna/ops/cross_entropy/cpu.hpp> or ref.hpp");
};

/// Rows whose logits are held at once, `stride` floats each: a power of two from 32 on, as many as `bytes` hold. Of the
/// vocabulary alone, so that the sums over rows in dw keep their shape.
constexpr int logits_rows(int stride, long long bytes) {
  long long rows = 32;
  while (rows < 65536 && 2 * rows * stride * static_cast<long long>(sizeof(float)) <= bytes) rows *= 2;
  return static_cast<int>(rows);
}

/// Bytes for a chunk of `rows` rows of logits, `stride` floats each, beside the largest workspace of its three
/// products.
template <class Gemm> constexpr std::size_t logits_workspace(int rows, int cols, int vocab, int stride, int threads) {
  std::size_t product = Gemm::workspace(rows, vocab, cols, threads);
  const std::size_t dx = Gemm::workspace(rows, cols, vocab, threads), dw = Gemm::workspace(vocab, cols, rows, threads);
  product = dx > product ? dx : product;
  product = dw > product ? dw : product;
  return aligned(static_cast<std::size_t>(rows) * static_cast<std::size_t>(stride) * sizeof(float)) + product;
}

/// Throws unless every target is `ignore` or lies in [0, vocab).
inline void check_targets(const char* op, const int* targets, int ignore, int rows, int vocab) {
  for (int r = 0; r < rows; ++r)
    if (targets[r] != ignore && (targets[r] < 0 || targets[r] >= vocab))
      fail(op, "target " + std::to_string(targets[r]) + " in row " + std::to_string(r),
           "0 to " + std::to_string(vocab - 1) + ", or " + std::to_string(ignore) + " to ignore the row",
           "was the text encoded with another vocabulary?");
}

}  // namespace fauna::inline v0
