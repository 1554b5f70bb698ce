// A backend is a policy: one template argument that picks every kernel. It carries what a kernel needs to run.
#pragma once
#include <concepts>

#include <fauna/core/arena.hpp>

namespace fauna::inline v0 {

/// Arithmetic that a reference kernel can run in: float, double, a dual number.
template <class S>
concept Scalar = std::constructible_from<S, double> && requires(S a, S b) {
  { a + b } -> std::convertible_to<S>;
  { a - b } -> std::convertible_to<S>;
  { a* b } -> std::convertible_to<S>;
  { a / b } -> std::convertible_to<S>;
  a += b;
};

/// scalar: the type of activations. threads and scratch: where and in what memory an op works.
template <class B>
concept Backend = requires(B const& b) {
  typename B::scalar;
  { b.threads } -> std::convertible_to<int>;
  { b.scratch } -> std::convertible_to<Arena*>;
};

/// Precision of a policy's matrix products. f32: as it says. bf16: operands rounded to bf16 on the way into the
/// product, sums in f32; weights, gradients, moments, norms, softmax, loss and the residual stream stay f32.
/// float8: operands of linear layers scaled and rounded to eight bits, emulated on the CPU for training (float8.hpp of
/// ops/gemm has the scales): one an operand, one a row, or one for 32 numbers.
struct f32_products {};
struct bf16_products {};
struct float8_products {};
struct float8_rowwise_products {};
struct mxfp8_products {};

/// The reference policy: every op is its naive loop (ops/*/ref.hpp), generic in the scalar: float, double, Dual.
template <Scalar S = double> struct Ref {
  using scalar = S;
  int threads = 1;
  Arena* scratch = nullptr;
};

template <class B> inline constexpr bool always_false = false;

}  // namespace fauna::inline v0
