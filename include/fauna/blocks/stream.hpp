// Rows that later layers see again: Publish writes them to a stream that Carry owns (compose/share.hpp), WithStream
// reads them beside its own.
#pragma once
#include <fauna/core/block.hpp>
#include <fauna/ops/add/op.hpp>

namespace fauna::inline v0 {

/// y = x, which goes into the stream Name as well.
template <label Name, int Width> struct Publish : SameWidth<Width> {
  static constexpr const char* kind_name = "Publish";

  template <class C, class W, class St, class Sv>
  static void forward(C const& c, W const&, St&, In<C, Width> x, Out<C, Width> y, Sv&) {
    using B = typename C::backend_type;
    add<B>::run(c.backend, x, {}, *c.template get<Name>().value);
    add<B>::run(c.backend, x, {}, y);
  }
  template <class C, class W, class G, class Sv, class St>
  static void backward(C const& c, W const&, G&, In<C, Width>, Sv&, In<C, Width> dy, Out<C, Width> dx, St&) {
    add<typename C::backend_type>::run(c.backend, dy, as_const(*c.template get<Name>().gradient), dx);
  }
};

/// Rows of Width columns to rows of [x | stream Name].
template <label Name, int Width> struct WithStream : Leaf<Width, 2 * Width> {
  static constexpr const char* kind_name = "WithStream";
  using Rows = Leaf<Width, 2 * Width>;

  template <class C, class W, class St, class Sv>
  static void forward(C const& c, W const&, St&, In<C, Width> x, Out<C, 2 * Width> y, Sv&) {
    using B = typename C::backend_type;
    add<B>::run(c.backend, x, {}, y.template columns<0, Width>());
    add<B>::run(c.backend, as_const(*c.template get<Name>().value), {}, y.template columns<Width, Width>());
  }
  template <class C, class W, class G, class Sv, class St>
  static void backward(C const& c, W const&, G&, In<C, Width>, Sv&, In<C, 2 * Width> dy, Out<C, Width> dx, St&) {
    using B = typename C::backend_type;
    auto const& gradient = *c.template get<Name>().gradient;
    add<B>::run(c.backend, as_const(gradient), dy.template columns<Width, Width>(), gradient);
    add<B>::run(c.backend, dy.template columns<0, Width>(), {}, dx);
  }
};

}  // namespace fauna::inline v0
