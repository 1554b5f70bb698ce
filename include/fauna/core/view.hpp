// A view is a pointer with a shape: rows by columns, row-major, with a row stride. Feature widths are static, so a
// block that reads 128 columns cannot be handed 127; the number of rows is a value. Views own nothing.
#pragma once
#include <cstddef>
#include <type_traits>

#include <fauna/core/version.hpp>

namespace fauna::inline v0 {

inline constexpr int dyn = -1;

template <int N> struct Extent {
  static constexpr int value = N;
  constexpr Extent(int = N) {}
};
template <> struct Extent<dyn> {
  int value{};
  constexpr Extent(int n = 0) : value(n) {}
};

/// rows x cols elements of T; element (r, c) is data[r * stride + c]. Either extent may be `dyn`.
template <class T, int Rows, int Cols> class View {
 public:
  using element = T;

  constexpr View() = default;
  /// A contiguous block (stride = columns) unless a stride is given.
  constexpr explicit View(T* data, int rows = Rows, int cols = Cols, int stride = 0)
      : data_(data), rows_(rows), cols_(cols), stride_(stride > 0 ? stride : cols) {}
  /// Drops static extents and adds const; never the other way round.
  template <class U, int R, int C>
  requires std::is_convertible_v<U (*)[], T (*)[]> &&(Rows == dyn || Rows == R) &&
      (Cols == dyn || Cols == C) constexpr View(View<U, R, C> const& v)
      : data_(v.data()),
  rows_(v.rows()), cols_(v.cols()), stride_(v.stride()) {}

  constexpr T* data() const { return data_; }
  constexpr int rows() const { return rows_.value; }
  constexpr int cols() const { return cols_.value; }
  constexpr int stride() const { return stride_; }
  constexpr std::size_t size() const { return static_cast<std::size_t>(rows()) * static_cast<std::size_t>(cols()); }
  constexpr explicit operator bool() const { return data_ != nullptr; }

  constexpr T* row(int r) const { return data_ + static_cast<std::ptrdiff_t>(r) * stride_; }
  constexpr T& operator()(int r, int c) const { return row(r)[c]; }

  /// Columns [From, From + Count), sharing memory: how q, k and v are cut out of a fused projection.
  template <int From, int Count> constexpr View<T, Rows, Count> columns() const {
    static_assert(Cols == dyn || (From >= 0 && From + Count <= Cols), "fauna: column slice outside the view");
    return View<T, Rows, Count>(data_ ? data_ + From : nullptr, rows(), Count, stride_);
  }
  /// Rows [from, from + count), sharing memory.
  constexpr View<T, dyn, Cols> middle_rows(int from, int count) const {
    return View<T, dyn, Cols>(data_ ? row(from) : nullptr, count, cols(), stride_);
  }

 private:
  T* data_ = nullptr;
  [[no_unique_address]] Extent<Rows> rows_{};
  [[no_unique_address]] Extent<Cols> cols_{};
  int stride_ = Cols == dyn ? 0 : Cols;
};

/// Both extents at run time: what kernels take, so that they are not instantiated again for every width.
template <class T> using Matrix = View<T, dyn, dyn>;

/// Any view as a Matrix; `reading` also makes it read-only. For templates that deduce the element type.
template <class T, int R, int C> constexpr Matrix<T> matrix(View<T, R, C> v) { return v; }
template <class T, int R, int C> constexpr Matrix<const T> reading(View<T, R, C> v) { return v; }

/// The same view, read-only.
template <class T, int R, int C> constexpr View<const T, R, C> as_const(View<T, R, C> v) { return v; }

/// An argument that a block does not have: the gradient of token ids, the state of a stateless block.
struct None {};

}  // namespace fauna::inline v0
