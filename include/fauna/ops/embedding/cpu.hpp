#pragma once
#include <fauna/backend/cpu.hpp>
#include <fauna/backend/simd.hpp>
#include <fauna/ops/embedding/op.hpp>
#include <fauna/ops/gemm/cpu.hpp>

namespace fauna::inline v0 {

template <class P, isa T, unsigned Tag> struct embedding<Cpu<P, T, Tag>> {
  using B = Cpu<P, T, Tag>;
  static constexpr int W = B::lanes;
  using vec = simd::vfloat<W>;

  template <class E, int R, int C>
  static void forward(B const& b, const int* ids, View<E, R, C> table, Matrix<const float> base, Matrix<float> y) {
    check_ids("embedding.forward", ids, y.rows(), table.rows());
    if constexpr (std::is_same_v<std::remove_const_t<E>, packed<B>>) unpack(b, ids, table, base, y);
    else pick(b, ids, Matrix<const std::remove_const_t<E>>(table), base, y);
  }

  /// A table in blocks (ops/gemm/blocks.hpp).
  template <OwnProducts T2>
  static void forward(B const& b, const int* ids, T2 const& table, Matrix<const float> base, Matrix<float> y) {
    check_ids("embedding.forward", ids, y.rows(), table.rows());
    unpack(b, ids, table, base, y);
  }

  /// Each thread owns columns and walks all rows: no two threads add to the same element, and each element's additions
  /// keep their order.
  static void backward(B const& b, const int* ids, Matrix<const float> dy, Matrix<float> dtable) {
    check_ids("embedding.backward", ids, dy.rows(), dtable.rows());
    constexpr int line = static_cast<int>(alignment / sizeof(float));
    const int lines = (dy.cols() + line - 1) / line;
    parallel_for(b.threads, lines, 1 + 1024 / (dy.rows() + 1), [&](int from, int to) {
      const int first = from * line, n = (to * line < dy.cols() ? to * line : dy.cols()) - first;
      for (int r = 0; r < dy.rows(); ++r) {
        float* sum = dtable.row(ids[r]) + first;
        const float* d = dy.row(r) + first;
        simd::for_lanes<W>(n, [=](int c, int left) FAUNA_LANES {
          vec v, t;
          simd::get<W>(v, sum + c, left);
          simd::get<W>(t, d + c, left);
          simd::put<W>(sum + c, v + t, left);
        });
      }
    });
  }

 private:
  /// A table that is also a head's matrix, packed for products.
  template <class T2>
  static void unpack(B const& b, const int* ids, T2 const& table, Matrix<const float> base, Matrix<float> y) {
    parallel_for(b.threads, y.rows(), 1 + 4096 / (y.cols() + 1), [&](int from, int to) {
      for (int r = from; r < to; ++r) gemm<B>::unpack_row(table, ids[r], base ? base.row(r) : nullptr, y.row(r));
    });
  }

  template <class E>
  static void pick(B const& b, const int* ids, Matrix<const E> table, Matrix<const float> base, Matrix<float> y) {
    const int cols = y.cols();
    parallel_for(b.threads, y.rows(), 1 + 16384 / (cols + 1), [&](int from, int to) {
      for (int r = from; r < to; ++r) {
        const E* in = table.row(ids[r]);
        const float* before = base ? base.row(r) : nullptr;
        float* out = y.row(r);
        simd::for_lanes<W>(cols, [=](int c, int n) FAUNA_LANES {
          vec v, t;
          simd::get<W>(v, in + c, n);
          if (before) {
            simd::get<W>(t, before + c, n);
            v += t;
          }
          simd::put<W>(out + c, v, n);
        });
      }
    });
  }
};

}  // namespace fauna::inline v0
