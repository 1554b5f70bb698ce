#pragma once
#include <fauna/ops/dropout/op.hpp>

namespace fauna::inline v0 {

template <class S> struct dropout<Ref<S>> {
  using B = Ref<S>;

  static void apply(B const&, Key key, float p, Matrix<const S> x, Matrix<const S> base, Matrix<S> y) {
    for (int r = 0; r < x.rows(); ++r)
      for (int c = 0; c < x.cols(); ++c) {
        const auto at =
            static_cast<std::uint64_t>(r) * static_cast<std::uint64_t>(x.cols()) + static_cast<std::uint64_t>(c);
        const S kept = dropout_drops(key, p, at) ? S(0) : x(r, c) * S(dropout_scale(p));
        y(r, c) = base ? base(r, c) + kept : kept;
      }
  }
};

}  // namespace fauna::inline v0
