#pragma once
#include <fauna/backend/cpu.hpp>
#include <fauna/backend/simd.hpp>
#include <fauna/ops/embedding/op.hpp>

namespace fauna::inline v0 {

template <class P, isa T, unsigned Tag> struct embedding<Cpu<P, T, Tag>> {
  using B = Cpu<P, T, Tag>;
  static constexpr int W = B::lanes;
  using vec = simd::vfloat<W>;

  template <class E, int R, int C>
  static void forward(B const& b, const int* ids, View<E, R, C> table, Matrix<const float> base, Matrix<float> y) {
    check_ids("embedding.forward", ids, y.rows(), table.rows());
    pick(b, ids, Matrix<const std::remove_const_t<E>>(table), base, y);
  }

  /// Each thread owns columns and walks all rows: no two threads add to the same element, and each element's additions
  /// keep their order.
  static void backward(B const& b, const int* ids, Matrix<const float> dy, Matrix<float> dtable) {
    check_ids("embedding.backward", ids, dy.rows(), dtable.rows());
    constexpr int line = static_cast<int>(alignment / sizeof(float));
    const int lines = (dy.cols() + line - 1) / line;
    parallel_for(b.threads, lines, 1 + 1024 / (dy.rows() + 1), [&](int from, int to) {
      const int first = from * line, last = to * line < dy.cols() ? to * line : dy.cols();
      for (int r = 0; r < dy.rows(); ++r)
        for (int c = first; c < last; c += W) {
          vec v, t;
          simd::get<W>(v, dtable.row(ids[r]) + c, last - c);
          simd::get<W>(t, dy.row(r) + c, last - c);
          simd::put<W>(dtable.row(ids[r]) + c, v + t, last - c);
        }
    });
  }

 private:
  template <class E>
  static void pick(B const& b, const int* ids, Matrix<const E> table, Matrix<const float> base, Matrix<float> y) {
    parallel_for(b.threads, y.rows(), 1 + 16384 / (y.cols() + 1), [&](int from, int to) {
      for (int r = from; r < to; ++r)
        for (int c = 0; c < y.cols(); c += W) {
          vec v, t;
          simd::get<W>(v, table.row(ids[r]) + c, y.cols() - c);
          if (base) {
            simd::get<W>(t, base.row(r) + c, y.cols() - c);
            v += t;
          }
          simd::put<W>(y.row(r) + c, v, y.cols() - c);
        }
    });
  }
};

}  // namespace fauna::inline v0
