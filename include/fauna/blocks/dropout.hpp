// Dropout (Srivastava et al. 2014), inverted: kept values are divided by 1 - p in training, so inference is the
// identity.
#pragma once
#include <fauna/compose/seq.hpp>
#include <fauna/core/block.hpp>
#include <fauna/ops/dropout/op.hpp>

namespace fauna::inline v0 {

/// A number between 0 and 1 as a template argument: Rate{0.1F}.
struct Rate {
  float value = 0;
  constexpr bool operator==(Rate const&) const = default;
};

template <int Width, Rate P> struct Dropout : SameWidth<Width> {
  static constexpr const char* kind_name = "Dropout";
  static constexpr bool adds_y = true, adds_dx = true, in_place = true;

  template <class C, class W, class St, class Sv>
  static void forward(C const& c, W const&, St&, In<C, Width> x, Out<C, Width> y, Sv&) {
    run(c, c.mode == mode::eval ? 0.0F : P.value, x, y);
  }
  template <class C, class W, class G, class Sv, class St>
  static void backward(C const& c, W const&, G&, In<C, Width>, Sv&, In<C, Width> dy, Out<C, Width> dx, St&) {
    run(c, P.value, dy, dx);
  }

 private:
  template <class C> static void run(C const& c, float p, In<C, Width> x, Out<C, Width> y) {
    dropout<typename C::backend_type>::apply(c.backend, c.key, p, x, c.into.template view<Width>(x.rows()), y);
  }
};

/// B followed by dropout; B itself where the rate is zero.
template <class B, Rate P> struct with_dropout_ { using type = Seq<B, Dropout<B::out, P>>; };
template <class B, Rate P>
requires(P == Rate{0}) struct with_dropout_<B, P> {
  using type = B;
};
template <class B, Rate P> using with_dropout = typename with_dropout_<B, P>::type;

}  // namespace fauna::inline v0
