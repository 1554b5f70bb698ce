// Scaled: every number times the same one. Models scale embeddings by √width (Vaswani et al. 2017, section 3.4), what a
// layer adds, and logits, all of them by constants (Yang et al. 2022, "Tensor programs V", for the reasons).
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

/// y = F x.
template <int Width, Multiplier F> struct Scaled : Elementwise<Width> {
  static constexpr const char* kind_name = "Scaled";
  static constexpr bool in_place = true;
  template <class C> using X = typename Elementwise<Width>::template X<C>;
  template <class C> using Y = typename Elementwise<Width>::template Y<C>;

  template <class C, class W, class St, class Sv> static void forward(C const& c, W const&, St&, X<C> x, Y<C> y, Sv&) {
    run(c, x, y);
  }
  template <class C, class W, class G, class Sv, class St>
  static void backward(C const& c, W const&, G&, X<C>, Sv&, X<C> dy, Y<C> dx, St&) {
    run(c, dy, dx);
  }

 private:
  template <class C> static void run(C const& c, X<C> x, Y<C> y) {
    if (x.data() != y.data()) add<typename C::backend_type>::run(c.backend, x, {}, y);
    scale<typename C::backend_type>::run(c.backend, F.value, y);
  }
};

/// Nothing where the factor is one.
template <int Width, Multiplier F> using scaled_if = std::conditional_t<F == Multiplier{}, void, Scaled<Width, F>>;

}  // namespace fauna::inline v0
