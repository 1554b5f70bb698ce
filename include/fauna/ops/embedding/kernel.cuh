// Rows of a table as kernels. ids are in the host's memory: they are checked there, then copied.
#pragma once
#include <fauna/backend/simt.cuh>
#include <fauna/ops/embedding/op.hpp>

namespace fauna::inline v0 {
namespace kernels {

template <class E> struct Pick {
  const int* ids;
  Matrix<const E> table;
  Matrix<const float> base;
  Matrix<float> y;
  FAUNA_KERNEL void operator()(int r, int c) const {
    const float v = static_cast<float>(table(ids[r], c));
    y(r, c) = base ? base(r, c) + v : v;
  }
};

/// dtable[ids_r] += dy_r. The block of the first row with an id adds all rows of that id, in ascending order; the other
/// blocks end as soon as they find an earlier row with theirs.
struct Scatter {
  static constexpr int warps = 8, threads = warps * warp_size;
  struct Shared {
    unsigned hits[warps];
  };
  const int* ids;
  Matrix<const float> dy;
  Matrix<float> dtable;
  template <class T> FAUNA_KERNEL void operator()(T const& t, Shared& s) const {
    const int first = t.block(), id = ids[first], rows = dy.rows();
    for (int at = first; at > 0; at -= threads) {  // the nearest rows first
      const int r = at - 1 - t.index();
      if (t.sync_or(r >= 0 && ids[r] == id)) return;
    }
    for (int from = first; from < rows; from += threads) {
      const int r = from + t.index();
      const unsigned hits = t.ballot(r < rows && ids[r] == id);
      if (t.lane() == 0) s.hits[t.warp()] = hits;
      t.sync();
      for (int c = t.index(); c < dy.cols(); c += threads) {
        float sum = dtable(id, c);
        for (int w = 0; w < warps; ++w)
          for (int lane = 0; lane < warp_size; ++lane)
            if (s.hits[w] >> lane & 1U) sum += dy(from + w * warp_size + lane, c);
        dtable(id, c) = sum;
      }
      t.sync();  // hits may be written again
    }
  }
};

}  // namespace kernels

template <Device B> struct embedding<B> {
  template <class E, int R, int C>
  static void forward(B const& b, const int* ids, View<E, R, C> table, Matrix<const float> base, Matrix<float> y) {
    check_ids("embedding.forward", ids, y.rows(), table.rows());
    const auto copy = b.upload(ids, y.rows());
    simt::each_element(b, y, kernels::Pick<std::remove_const_t<E>>{copy.data(), table, base, y});
  }
  static void backward(B const& b, const int* ids, Matrix<const float> dy, Matrix<float> dtable) {
    check_ids("embedding.backward", ids, dy.rows(), dtable.rows());
    const auto copy = b.upload(ids, dy.rows());
    b.launch(kernels::Scatter{copy.data(), dy, dtable}, dy.rows());
  }
};

}  // namespace fauna::inline v0
