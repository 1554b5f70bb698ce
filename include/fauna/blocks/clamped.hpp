// Clamped: every number within bounds, the gradient of those beyond being zero. OLMo, MPT and DBRX clamp queries, keys
// and values (Groeneveld et al. 2024, "OLMo", section 2.1; MosaicML 2023, "Introducing MPT-30B").
#pragma once
#include <fauna/core/block.hpp>
#include <fauna/ops/clamp/op.hpp>

namespace fauna::inline v0 {

/// A bound as a template argument: Clip{8}; 0: none.
struct Clip {
  double limit = 0;
  constexpr bool operator==(Clip const&) const = default;
};

/// y = x within -limit and limit. No weights; the input is saved by the block that made it.
template <int Width, Clip At> struct Clamped : SameWidth<Width> {
  static constexpr const char* kind_name = "Clamped";

  template <class C, class W, class St, class Sv>
  static void forward(C const& c, W const&, St&, In<C, Width> x, Out<C, Width> y, Sv&) {
    clamp<typename C::backend_type>::forward(c.backend, At.limit, x, y);
  }
  template <class C, class W, class G, class Sv, class St>
  static void backward(C const& c, W const&, G&, In<C, Width> x, Sv&, In<C, Width> dy, Out<C, Width> dx, St&) {
    clamp<typename C::backend_type>::backward(c.backend, At.limit, x, dy, dx);
  }
};

/// Nothing without a bound.
template <int Width, Clip At> using clamped_if = std::conditional_t<At == Clip{}, void, Clamped<Width, At>>;

}  // namespace fauna::inline v0
