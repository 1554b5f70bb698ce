// A block is a stateless struct of static functions over views. This is the base of a leaf block: everything that a
// block has nothing to say about.
//
//   forward (call, w, state, x, y, saved)               y = f(x), or base + f(x) where adds_y and call.into has a base
//   backward(call, w, dw, x, saved, dy, dx, dstate)     dx likewise; dw accumulates, but where it is null: that weight
//                                                       is frozen and its gradient is not computed; dstate: the
//                                                       gradient of the leaving state comes in, that of the entering
//                                                       state goes out
// A state without memory (views of null) stands for zeros on entering, and nothing leaves.
#pragma once
#include <fauna/core/call.hpp>
#include <fauna/core/storage.hpp>

namespace fauna::inline v0 {

/// Rows that any state of keys and values can forget by counting: more than a draft has.
inline constexpr int rewindable = 64;

/// What a part of a state holds for each sequence: so many rows; or, where it grows with the context, so many for each
/// of the context's places: [sequence][rows][place]. Of a window it has no more places than are looked at, and row j of
/// the sequence stands at place j % places.
struct StatePiece {
  int rows = 1;
  bool grows = false;
  int window = unbounded;  ///< rows that a row looks back at, itself included
  /// A window, the rest of the block of 64 in which it begins, what can be taken back, all in blocks of 64.
  constexpr int places(int context) const {
    constexpr int block = 64;
    if (context <= window) return context;
    const int ring = (window - 1 + block + rewindable + block - 1) / block * block;
    return ring < context ? ring : context;
  }
};

template <int Inputs, int Outputs> struct Leaf {
  static constexpr int in = Inputs, out = Outputs;
  using fault = void;
  static constexpr bool adds_y = false;    ///< forward honours call.into
  static constexpr bool adds_dx = false;   ///< backward honours call.into
  static constexpr bool in_place = false;  ///< y may be x, dx may be dy, and backward does not read x

  template <class C> using X = In<C, Inputs>;
  template <class C> using Y = Out<C, Outputs>;
  template <class C> using DY = In<C, Outputs>;
  template <class C> using DX = Out<C, Inputs>;

  template <class D> struct Weights {};  ///< the parameters, stored as D says (core/storage.hpp)
  template <class S> struct Saved {};    ///< what backward needs and cannot recompute from x
  template <class S> struct State {};    ///< what a sequence carries from call to call

  template <class W, class F> static constexpr void visit(W&, Place const&, F&&) {}
  template <class S> static constexpr void plan(Saved<S>&, Shape const&, Arena&) {}
  template <class S> static constexpr void plan_state(State<S>&, Shape const&, Arena&) {}
  /// f(StatePiece, view of each state given), for copying, saving and clearing states.
  template <class F, class... St> static constexpr void visit_state(F&&, St&...) {}
  /// Takes from the arena what forward and backward take from scratch, and gives it back.
  template <class B> static constexpr void plan_scratch(Shape const&, Arena&) {}
  /// Floating-point operations of the forward pass for one token that looks back `context` tokens.
  static constexpr double flops(double /*context*/) { return 0; }
};

/// A leaf that keeps its width.
template <int Width> using SameWidth = Leaf<Width, Width>;

/// Takes and releases an op's workspace while planning.
constexpr void plan_workspace(std::size_t bytes, Arena& a) {
  Scope s(a);
  a.take<std::byte>(bytes);
}

template <class B> inline constexpr bool has_own_parameters = requires { B::parameters; };

/// Trained parameters of a block: a combinator adds up its children, a leaf counts what it visits.
template <class B> constexpr std::size_t count_parameters() {
  if constexpr (has_own_parameters<B>) {
    return B::parameters;
  } else {
    std::size_t n = 0;
    typename B::template Weights<All<float>> w{};
    B::visit(w, Place{}, [&n](Tensor const& t, auto&) { n += t.is == role::parameter ? t.size() : 0; });
    return n;
  }
}

}  // namespace fauna::inline v0
