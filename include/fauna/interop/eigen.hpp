// Views as Eigen maps and back, without a copy. The only header here that includes Eigen; fauna.hpp never reaches it.
#pragma once
#include <Eigen/Core>

#include <fauna/core/error.hpp>
#include <fauna/core/view.hpp>

namespace fauna::inline v0 {

template <class T, int Rows, int Cols>
using EigenMatrix =
    Eigen::Matrix<std::remove_const_t<T>, Rows == dyn ? Eigen::Dynamic : Rows, Cols == dyn ? Eigen::Dynamic : Cols,
                  Cols == 1 && Rows != 1 ? Eigen::ColMajor : Eigen::RowMajor>;

/// The stride of such a map: from row to row; for a column vector, which Eigen keeps column-major, from element to
/// element.
template <int Rows, int Cols>
using EigenStride = std::conditional_t<Cols == 1 && Rows != 1, Eigen::InnerStride<>, Eigen::OuterStride<>>;

/// The type of as_eigen(view).
template <class T, int Rows, int Cols>
using EigenMap =
    Eigen::Map<std::conditional_t<std::is_const_v<T>, const EigenMatrix<T, Rows, Cols>, EigenMatrix<T, Rows, Cols>>,
               Eigen::Unaligned, EigenStride<Rows, Cols>>;

/// The same memory as a rows x cols Eigen expression: as_eigen(y) = as_eigen(x) * as_eigen(w).transpose().
template <class T, int Rows, int Cols> EigenMap<T, Rows, Cols> as_eigen(View<T, Rows, Cols> v) {
  return EigenMap<T, Rows, Cols>(v.data(), v.rows(), v.cols(), EigenStride<Rows, Cols>(v.stride()));
}

/// A view of a dense row-major Eigen object (a matrix, a map or a block of rows). Cols, if given, is checked.
template <int Cols = dyn, class Derived> auto as_view(Eigen::PlainObjectBase<Derived>& m) {
  static_assert(Derived::IsRowMajor || Derived::ColsAtCompileTime == 1,
                "fauna: as_view needs a row-major Eigen matrix: Eigen::Matrix<float, Eigen::Dynamic, Eigen::Dynamic, "
                "Eigen::RowMajor>");
  if (Cols != dyn && m.cols() != Cols)
    fail("as_view", "an Eigen matrix of " + std::to_string(m.cols()) + " columns", std::to_string(Cols));
  return View<typename Derived::Scalar, dyn, Cols>(m.data(), static_cast<int>(m.rows()), static_cast<int>(m.cols()));
}
template <int Cols = dyn, class Derived> auto as_view(Eigen::PlainObjectBase<Derived> const& m) {
  return as_const(as_view<Cols>(const_cast<Eigen::PlainObjectBase<Derived>&>(m)));
}

}  // namespace fauna::inline v0
