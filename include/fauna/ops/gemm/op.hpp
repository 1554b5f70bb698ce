// Matrix product, the three shapes that a linear layer needs (K is the summed dimension):
//   nt   C[M,N] = base + A[M,K] · B[N,K]ᵀ    forward:  y = x Wᵀ          (W as stored: [out, in])
//   nn   C[M,N] = base + A[M,K] · B[K,N]     dx = dy W
//   tn   C[M,N] = base + A[K,M]ᵀ · B[K,N]    dW = dyᵀ x
// The one-chain rule (CPU): each element of C is one sum in ascending k that starts from base (or zero) and is reloaded
// from C between blocks of k; bias and activation follow the last k. A row's bits therefore depend neither on the
// number of rows nor on the number of threads. With bf16 products the chain goes in groups of the dot instruction (two
// k).
#pragma once
#include <fauna/core/activation.hpp>
#include <fauna/core/backend.hpp>
#include <fauna/core/dtype.hpp>
#include <fauna/core/storage.hpp>

namespace fauna::inline v0 {

/// What happens around the sum. All members are optional.
template <class S> struct Epilogue {
  const S* base = nullptr;  ///< [M,N], stride base_stride: the chain starts from it; may be C itself (accumulate)
  int base_stride = 0;
  const S* bias = nullptr;  ///< [N], added after the last k
  activation act = activation::none;
  S* pre = nullptr;  ///< [M,N], stride pre_stride: with act, receives the value before the activation
  int pre_stride = 0;
  const S* gate = nullptr;  ///< [M,N], stride gate_stride: multiplies the sum by act'(gate): the backward of act
  int gate_stride = 0;
};

/// gemm<B>::nt, nn, tn(b, A, B, C, epilogue) and gemm<B>::workspace(m, n, k, threads): the bytes of scratch that any of
/// the three takes from b.scratch at this shape. For inference B[N,K] of nt may also be stored in bf16, or as
/// packed<B>: gemm<B>::pack(b, from, to) writes it, in gemm<B>::packed_bytes(n, k) bytes, and it has the same bits.
template <class B> struct gemm {
  static_assert(always_false<B>, "fauna: no gemm for this backend: include <fauna/ops/gemm/cpu.hpp> or ref.hpp");
};

/// The products of linear layers, where a policy has others for them than for the rest: gemm<B>'s nt of activations and
/// weights, nn of a gradient and weights, tn of a gradient and activations; its workspace.
template <class B> struct layer_gemm : gemm<B> {};

/// Weights that know their products and rows themselves, as those in blocks do.
template <class W>
concept OwnProducts = requires(W const& w, const float* before, float* to) {
  w.row(0, before, to);
};

/// Panels as a storage of weights (core/storage.hpp).
template <class B> constexpr void place(Matrix<packed<B>>& s, Tensor const& t, Arena& a) {
  s = Matrix<packed<B>>(reinterpret_cast<packed<B>*>(a.take<std::byte>(gemm<B>::packed_bytes(t.rows, t.cols))), t.rows,
                        t.cols);
}
template <class B, class S> void fill(B const& b, Matrix<packed<B>>& to, Matrix<const S> rows) {
  gemm<B>::pack(b, rows, to);
}

}  // namespace fauna::inline v0
