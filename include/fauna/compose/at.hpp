// At<"attn", B>: B with a name. Names come from the composition, in the reference checkpoint's own spelling; the one
// source of truth for saving, loading, freezing, taps and errors.
#pragma once
#include <fauna/compose/children.hpp>
#include <fauna/core/block.hpp>
#include <fauna/core/fault.hpp>

namespace fauna::inline v0 {

template <label Name, class B> struct At : B {
  using composition = At;
  using children = Children<B>;
  template <class... New> using with = At<Name, New...>;
  static constexpr label tag = Name;

  template <class W, class F> static constexpr void visit(W& w, Place const& at, F&& f) {
    const Path here = path(at.path);
    Place inside = at;
    inside.path = &here;
    B::visit(w, inside, f);
  }
  template <class C, class W, class St, class V, class O, class Sv>
  static void forward(C const& c, W const& w, St& state, V x, O y, Sv& saved) {
    C inside = c;
    inside.path = path(&c.path);
    span(inside, false, true);
    B::forward(inside, w, state, x, y, saved);
    span(inside, false, false);
    see(inside, false, as_const(y));
  }
  template <class C, class W, class G, class V, class Sv, class DY, class DX, class St>
  static void backward(C const& c, W const& w, G& dw, V x, Sv& saved, DY dy, DX dx, St& dstate) {
    C inside = c;
    inside.path = path(&c.path);
    see(inside, true, dy);
    span(inside, true, true);
    B::backward(inside, w, dw, x, saved, dy, dx, dstate);
    span(inside, true, false);
  }

 private:
  static constexpr Path path(const Path* parent) { return {parent, tag.c, -1}; }
  template <class C, class V> static void see(C const& c, bool gradient, V const& v) {
    if (c.tap != nullptr) c.tap->show(c.path, gradient, v);
  }
  template <class C> static constexpr void span(C const& c, bool gradient, bool before) {
    if (c.asked != nullptr) c.asked->between(c.asked->user);
    if (c.tap != nullptr && c.tap->span != nullptr) c.tap->span(c.tap->user, c.path, gradient, before);
  }
};

template <class B> inline constexpr bool is_label = false;
template <label N, class B> inline constexpr bool is_label<At<N, B>> = true;
template <Named B> inline constexpr bool is_label<B> = is_label<typename B::composition>;

/// Shows a value to the call's tap under the label of B, if both are there: for a pair that ran fused, without its At.
template <class B, class C, class V> void show_label(C const& c, bool gradient, V const& v) {
  if constexpr (requires { B::tag; }) {
    if (c.tap != nullptr) c.tap->show(Path{&c.path, B::tag.c, -1}, gradient, v);
  }
}

}  // namespace fauna::inline v0
