// Frozen weights that products read through f32, some rows at a time, forward and backward. They have no gradient.
#pragma once
#include <vector>

#include <fauna/ops/gemm/cpu.hpp>

namespace fauna::inline v0 {

/// The products of Self, which has rows(), cols() and decode(first, n, to): the numbers [first, first + n), row by row.
template <class Self> struct DecodedRows {
  /// y [m, n] = base + x Wᵀ, as gemm<B>::nt.
  template <class B> void product(B const& b, Matrix<const float> x, Matrix<float> y, Epilogue<float> const& e) const {
    slices(b, [&](int from, Matrix<const float> w) {
      Epilogue<float> part = e;
      const auto shift = [from](auto* p) { return p == nullptr ? p : p + from; };
      part.base = shift(e.base);
      part.bias = shift(e.bias);
      part.pre = shift(e.pre);
      part.gate = shift(e.gate);
      gemm<B>::nt(b, x, w, Matrix<float>(y.data() + from, y.rows(), w.rows(), y.stride()), part);
    });
  }
  /// dx [m, k] = base + dy W, as gemm<B>::nn: one sum in ascending order of W's rows.
  template <class B>
  void product_nn(B const& b, Matrix<const float> dy, Matrix<float> dx, Epilogue<float> const& e) const {
    Epilogue<float> part = e;
    part.act = activation::none;
    part.gate = nullptr;
    slices(b, [&](int from, Matrix<const float> w) {
      const bool last = from + w.rows() == self().rows();
      Epilogue<float> here = last ? e : part;
      here.base = part.base;
      here.base_stride = part.base_stride;
      gemm<B>::nn(b, Matrix<const float>(dy.data() + from, dy.rows(), w.rows(), dy.stride()), w, dx, here);
      part.base = dx.data();
      part.base_stride = dx.stride();
    });
  }
  /// to = before + row r; before may be null or `to`.
  void row(int r, const float* before, float* to) const {
    const auto width = static_cast<std::size_t>(self().cols());
    static thread_local std::vector<float> room;
    room.resize(width);
    self().decode(static_cast<std::size_t>(r) * width, width, room.data());
    for (std::size_t j = 0; j < width; ++j) to[j] = before != nullptr ? before[j] + room[j] : room[j];
  }

 private:
  constexpr Self const& self() const { return static_cast<Self const&>(*this); }
  /// f(first row, rows in f32), as many at once as stay in a cache.
  template <class B, class F> void slices(B const& b, F&& f) const {
    static thread_local std::vector<float> room;
    const int n = self().rows(), k = self().cols();
    const int most = k > 0 && (1 << 18) / k > 16 ? (1 << 18) / k : 16;
    for (int from = 0; from < n; from += most) {
      const int count = n - from < most ? n - from : most;
      const std::size_t width = static_cast<std::size_t>(k);
      if (room.size() < static_cast<std::size_t>(count) * width) room.resize(static_cast<std::size_t>(count) * width);
      float* const rows = room.data();
      parallel_for(b.threads, count, 1 + 16384 / (k + 1), [&](int first, int last) {
        for (int r = first; r < last; ++r)
          self().decode(static_cast<std::size_t>(from + r) * width, width, rows + static_cast<std::size_t>(r) * width);
      });
      f(from, Matrix<const float>(rows, count, k));
    }
  }
};

}  // namespace fauna::inline v0
