// Scaled: every number times the same one. Models scale embeddings by √width (Vaswani et al. 2017, section 3.4), what a
// layer adds, and logits, all of them by constants (Yang et al. 2022, "Tensor programs V", for the reasons).
// ScaledParts: a factor for each of some neighbouring parts of a row.
#pragma once
#include <fauna/core/block.hpp>
#include <fauna/ops/add/op.hpp>
#include <fauna/ops/scale/op.hpp>

namespace fauna::inline v0 {

/// A constant factor as a template argument: Multiplier{0.5}.
struct Multiplier {
  double value = 1;
  constexpr bool operator==(Multiplier const&) const = default;
};

/// Neighbouring columns, and their factor.
struct ScaledPart {
  int columns;
  double factor = 1;
  constexpr bool operator==(ScaledPart const&) const = default;
};

/// Rows of the parts side by side, each times its factor.
template <ScaledPart... Parts> struct ScaledParts : SameWidth<(Parts.columns + ...)> {
  static constexpr const char* kind_name = "ScaledParts";
  static constexpr bool in_place = true;
  static constexpr int width = (Parts.columns + ...);

  template <class C, class W, class St, class Sv>
  static void forward(C const& c, W const&, St&, In<C, width> x, Out<C, width> y, Sv&) {
    run(c, x, y);
  }
  template <class C, class W, class G, class Sv, class St>
  static void backward(C const& c, W const&, G&, In<C, width>, Sv&, In<C, width> dy, Out<C, width> dx, St&) {
    run(c, dy, dx);
  }

 private:
  template <class C> static void run(C const& c, In<C, width> x, Out<C, width> y) {
    using B = typename C::backend_type;
    if (x.data() != y.data()) add<B>::run(c.backend, x, {}, y);
    int from = 0;
    const auto part = [&](ScaledPart p) {
      if (p.factor != 1)
        scale<B>::run(c.backend, p.factor,
                      Matrix<typename C::scalar>(y.data() + from, y.rows(), p.columns, y.stride()));
      from += p.columns;
    };
    (part(Parts), ...);
  }
};

/// y = F x.
template <int Width, Multiplier F> struct Scaled : ScaledParts<ScaledPart{Width, F.value}> {
  static constexpr const char* kind_name = "Scaled";
};

/// Nothing where the factor is one.
template <int Width, Multiplier F> using scaled_if = std::conditional_t<F == Multiplier{}, void, Scaled<Width, F>>;

}  // namespace fauna::inline v0
