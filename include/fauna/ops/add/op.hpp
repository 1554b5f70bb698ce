// Sums without a product: of two blocks of rows, and of the rows of one (the gradient of a bias).
#pragma once
#include <fauna/core/backend.hpp>

namespace fauna::inline v0 {

/// add<B>::run(b, Matrix<const S> a, Matrix<const S> b /*null: copy*/, Matrix<S> y)   y = a + b; y may alias either
/// add<B>::clear(b, Matrix<S> y)                                                      y = 0
/// add<B>::column_sums(b, Matrix<const S> x, S* sums)                                 sums_c += Σ_r x_rc, r ascending
/// add<B>::total(b, const S* x, n)                returns Σ_i x_i to the host, i ascending, in double where S is float
template <class B> struct add {
  static_assert(always_false<B>, "fauna: no add for this backend: include <fauna/ops/add/cpu.hpp> or ref.hpp");
};

}  // namespace fauna::inline v0
