// How a tensor is stored. Weights<D> asks a map D for the storage of each kind; a storage carries all that it needs:
//   place(s, t, arena)     takes its memory for tensor t, or only measures
//   fill(b, s, rows)       is written from rows of numbers in the host's memory (backend/memory.hpp)
//   reading(s)             what products and look-ups read; its type has no extents
//   gradient<S>(s)         rows of S that gradients are added to; null where none is wanted
//   bool(s)                has it memory?
// Storages here: Matrix<T>, rows of numbers; Matrix<packed<B>>, panels as backend B multiplies by them
// (ops/gemm/op.hpp); Absent.
#pragma once
#include <type_traits>

#include <fauna/core/arena.hpp>
#include <fauna/core/tensor.hpp>

namespace fauna::inline v0 {

/// Every tensor as rows of T: values in training, gradients, moments.
template <class T> struct All { template <kind> using storage = Matrix<T>; };

/// Does a map hold tensors as their blocks want them in inference (Tensor::prepare)?
template <class D> inline constexpr bool prepared = false;
template <class D>
requires requires { D::prepared; }
inline constexpr bool prepared<D> = D::prepared;

/// How a map stores what stands under adapters and does not train: as it says itself (`frozen`), or as all else.
template <class D> struct frozen_of_ { using type = D; };
template <class D>
requires requires { typename D::frozen; }
struct frozen_of_<D> {
  using type = typename D::frozen;
};
template <class D> using FrozenOf = typename frozen_of_<D>::type;

/// The gradient of what cannot have one.
struct Absent {
  constexpr explicit operator bool() const { return false; }
};

template <class T> constexpr void place(Matrix<T>& s, Tensor const& t, Arena& a) {
  s = a.take_view<T, dyn, dyn>(t.rows, t.cols);
}
constexpr void place(Absent&, Tensor const&, Arena&) {}

template <class S> constexpr Matrix<S> gradient(Matrix<S> const& s) { return s; }
template <class S> constexpr Matrix<S> gradient(Absent const&) { return {}; }

/// Gradients of what map D stores as rows of S; the rest has none. All<S> itself where all of it is, so that blocks are
/// not instantiated twice.
template <class D, class S> struct OnlyRowsOf {
  template <kind K>
  using storage = std::conditional_t<std::is_same_v<typename D::template storage<K>, Matrix<S>>, Matrix<S>, Absent>;
};
template <class D, class S> struct gradients_of_ {
  template <kind K> static constexpr bool rows = std::is_same_v<typename D::template storage<K>, Matrix<S>>;
  using type =
      std::conditional_t<rows<kind::matrix> && rows<kind::vector> && rows<kind::control>, All<S>, OnlyRowsOf<D, S>>;
};
template <class D, class S> using GradientsOf = typename gradients_of_<D, S>::type;

}  // namespace fauna::inline v0
