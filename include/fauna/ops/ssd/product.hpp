// Products of matrices that fit into the first two caches, as a chunk of the recurrence has them: nothing is packed,
// and B lies row by row in vectors.
#pragma once
#include <cstddef>

#include <fauna/backend/simd.hpp>

namespace fauna::inline v0::ssd_detail {

/// Which of its products a triangular A can have: A_ik is zero for k > i (lower), for k < i (upper).
enum class triangle : int { none, lower, upper };

template <int W> struct Product {
  using vec = simd::vfloat<W>;
  static constexpr int MR = W == 16 ? 8 : 6;

  static constexpr int rows(int n) { return (n + MR - 1) / MR * MR; }
  static constexpr int cols(int n) { return (n + W - 1) / W * W; }

  /// Element (i, k) of A is at data[i * i_step + k * k_step].
  struct Left {
    const float* data;
    std::ptrdiff_t i_step, k_step;
    triangle shape = triangle::none;
  };

  /// C[m,n] = A[m,k] B[k,n], or with what C holds added. B and C have cols(n) columns, C has rows(m) rows, and A may be
  /// read as far: what lies beyond m and n is never mixed with the rest.
  static void run(int m, int n, int k, Left const& a, const float* b, int b_stride, float* c, int c_stride, bool onto) {
    for (int i = 0; i < m; i += MR) {
      const int from = a.shape == triangle::upper ? i : 0, to = a.shape == triangle::lower && i + MR < k ? i + MR : k;
      int j = 0;
      for (; j + W < n; j += 2 * W) tile<2>(i, j, from, to, a, b, b_stride, c, c_stride, onto);
      if (j < n) tile<1>(i, j, from, to, a, b, b_stride, c, c_stride, onto);
    }
  }

 private:
  template <int NV>
  static void tile(int i0, int j, int from, int to, Left const& a, const float* b, std::ptrdiff_t b_stride, float* c,
                   std::ptrdiff_t c_stride, bool onto) {
    vec sums[MR][NV];
    c += i0 * c_stride + j;
    FAUNA_UNROLL
    for (int i = 0; i < MR; ++i) {
      FAUNA_UNROLL
      for (int v = 0; v < NV; ++v) {
        if (onto) simd::load<W>(sums[i][v], c + i * c_stride + v * W);
        else sums[i][v] = vec{};
      }
    }
    const float* left = a.data + i0 * a.i_step + from * a.k_step;
    const std::ptrdiff_t i_step = a.i_step, k_step = a.k_step;
    b += from * b_stride + j;
    for (int p = from; p < to; ++p, left += k_step, b += b_stride) {
      vec right[NV];
      FAUNA_UNROLL
      for (int v = 0; v < NV; ++v) simd::load<W>(right[v], b + v * W);
      FAUNA_UNROLL
      for (int i = 0; i < MR; ++i) {
        const float x = left[i * i_step];
        FAUNA_UNROLL
        for (int v = 0; v < NV; ++v) sums[i][v] += right[v] * x;
      }
    }
    FAUNA_UNROLL
    for (int i = 0; i < MR; ++i) {
      FAUNA_UNROLL
      for (int v = 0; v < NV; ++v) simd::store<W>(c + i * c_stride + v * W, sums[i][v]);
    }
  }
};

/// to[cols, wide] = from[rows, cols] transposed, with zeros behind it.
inline void transpose(int rows, int cols, const float* from, std::ptrdiff_t from_stride, float* to, int wide) {
  for (std::ptrdiff_t c = 0; c < cols; ++c) {
    for (std::ptrdiff_t r = 0; r < rows; ++r) to[c * wide + r] = from[r * from_stride + c];
    for (std::ptrdiff_t r = rows; r < wide; ++r) to[c * wide + r] = 0;
  }
}

}  // namespace fauna::inline v0::ssd_detail
