// Stack<First, Rounds, A, B, ...>: a pattern of layers, repeated. A loop at run time over one type per slot, so that 48
// layers compile as quickly as one. Layers are named and numbered by their flat index, First + round * pattern + slot.
#pragma once
#include <fauna/compose/seq.hpp>

namespace fauna::inline v0 {

template <int First, int Rounds, class... Ls> struct Stack {
  using composition = Stack;
  using children = Children<Ls...>;
  template <class... New> using with = Stack<First, Rounds, New...>;
  static std::string child_name(std::size_t i) {
    const int one = First + static_cast<int>(i), last = one + (Rounds - 1) * pattern;
    return std::to_string(one) + (Rounds > 1 ? " .. " + std::to_string(last) : "");
  }
  using Round = Seq<Ls...>;
  static constexpr int pattern = static_cast<int>(sizeof...(Ls)), layers = Rounds * pattern;
  template <std::size_t I> using Layer = nth<I, Ls...>;

  static constexpr int in = Round::in, out = Round::out;
  using fault =
      first_fault<typename Round::fault,
                  std::conditional_t<Round::in == Round::out, void, layer_changes_width<Round, Round::in, Round::out>>>;
  static constexpr bool adds_y = false, adds_dx = false, in_place = false;
  static constexpr std::size_t parameters = Rounds * Round::parameters;
  static constexpr double flops(double context) { return Rounds * Round::flops(context); }

  template <class C> using X = typename Round::template X<C>;
  template <class C> using DX = typename Round::template DX<C>;
  template <class C> using Y = typename Round::template Y<C>;
  template <class C> using DY = typename Round::template DY<C>;
  template <class D> struct Weights { typename Round::template Weights<D> round[Rounds]; };
  template <class S> struct State { typename Round::template State<S> round[Rounds]; };
  template <class S> struct Saved {
    struct Kept {
      Pack<typename Ls::template Saved<S>...> layer;
      Pack<View<S, dyn, Ls::out>...> y;  ///< each layer's output
    } round[Rounds];
  };

  template <class W, class F> static constexpr void visit(W& w, Place const& place, F&& f) {
    for (int r = 0; r < Rounds; ++r)
      each_index<pattern>([&](auto i) {
        const int l = flat(r, i);
        const Path here{place.path, nullptr, l};
        Layer<i>::visit(at<i>(w.round[r]), Place{&here, l, First + layers}, f);
      });
  }
  template <class S> static constexpr void plan(Saved<S>& s, Shape const& shape, Arena& a) {
    for (auto& r : s.round)
      each_index<pattern>([&](auto i) {
        Layer<i>::plan(at<i>(r.layer), shape, a);
        at<i>(r.y) = a.take_view<S, dyn, Layer<i>::out>(shape.rows());
      });
  }
  template <class S> static constexpr void plan_state(State<S>& s, Shape const& shape, Arena& a) {
    for (auto& r : s.round) Round::plan_state(r, shape, a);
  }
  template <class F, class... St> static constexpr void visit_state(F&& f, St&... s) {
    for (int r = 0; r < Rounds; ++r) Round::visit_state(f, s.round[r]...);
  }
  template <class B> static constexpr void plan_scratch(Shape const& shape, Arena& a) {
    Scope s(a);
    for (int i = 0; i < 2; ++i) a.take_view<typename B::scalar, dyn, widest>(shape.rows());
    each_index<pattern>([&](auto i) { Layer<i>::template plan_scratch<B>(shape, a); });
  }

  template <class C, class W, class St, class Sv>
  static void forward(C const& c, W const& w, St& state, X<C> x, Y<C> y, Sv& saved) {
    using S = typename C::scalar;
    Scope scope(c.scratch());
    // Without a backward pass two buffers take turns.
    View<S, dyn, widest> turn[2];
    if (!c.keeps())
      for (auto& t : turn) t = c.scratch().template take_view<S, dyn, widest>(x.rows());
    const Range run(c);
    const int last = flat(run.to - 1, pattern - 1);
    Matrix<const S> from = x;
    for (int r = run.from; r < run.to; ++r) {
      run.announce(r, false, true);
      each_index<pattern>([&](auto i) {
        const int l = flat(r, i);
        const View<const S, dyn, Layer<i>::in> in_view(from.data(), x.rows(), Layer<i>::in, from.stride());
        View<S, dyn, Layer<i>::out> out_view;
        if (layers == 1 || l == last)  // the first half spares GCC 12 a false -Warray-bounds
          out_view = View<S, dyn, Layer<i>::out>(y.data(), y.rows(), Layer<i>::out, y.stride());
        else if (c.keeps()) out_view = at<i>(saved.round[r].y);
        else out_view = View<S, dyn, Layer<i>::out>(turn[l & 1].data(), x.rows());
        Layer<i>::forward(inside(c, l), at<i>(w.round[r]), at<i>(state.round[r]), in_view, out_view,
                          at<i>(saved.round[r].layer));
        from = out_view;
      });
      run.announce(r, false, false);
    }
  }

  template <class C, class W, class G, class Sv, class St>
  static void backward(C const& c, W const& w, G& dw, X<C> x, Sv& saved, DY<C> dy, DX<C> dx, St& dstate) {
    using S = typename C::scalar;
    Scope scope(c.scratch());
    View<S, dyn, widest> turn[2];
    for (auto& t : turn) t = c.scratch().template take_view<S, dyn, widest>(x.rows());
    const Range run(c);
    Matrix<const S> gradient = dy;
    for (int r = run.to - 1; r >= run.from; --r) {
      run.announce(r, true, true);
      each_index<pattern>([&](auto k) {
        constexpr std::size_t i = pattern - 1 - k;
        const int l = flat(r, i);
        Matrix<const S> input = x;
        if constexpr (i > 0) input = at<i - 1>(saved.round[r].y);
        else if (r > run.from) input = at<pattern - 1>(saved.round[r - 1].y);
        Matrix<S> out_gradient = dx;
        if (l != flat(run.from, 0)) out_gradient = Matrix<S>(turn[l & 1].data(), x.rows(), Layer<i>::in);
        Layer<i>::backward(
            inside(c, l), at<i>(w.round[r]), at<i>(dw.round[r]),
            View<const S, dyn, Layer<i>::in>(input.data(), x.rows(), Layer<i>::in, input.stride()),
            at<i>(saved.round[r].layer),
            View<const S, dyn, Layer<i>::out>(gradient.data(), x.rows(), Layer<i>::out, gradient.stride()),
            View<S, dyn, Layer<i>::in>(out_gradient.data(), x.rows(), Layer<i>::in, out_gradient.stride()),
            at<i>(dstate.round[r]));
        gradient = out_gradient;
      });
      run.announce(r, true, false);
    }
  }

 private:
  static constexpr int widest = [] {
    int w = 0;
    ((w = Ls::out > w ? Ls::out : w), ...);
    return w;
  }();
  static constexpr int flat(int round, std::size_t slot) { return First + round * pattern + static_cast<int>(slot); }
  /// The rounds that a call runs.
  struct Range {
    int from = 0, to = Rounds;
    fauna::Rounds const* how = nullptr;
    template <class C> explicit Range(C const& c) : how(c.rounds) {
      if (how == nullptr) return;
      from = how->from;
      if (how->to >= 0) to = how->to;
      if (from < 0 || from >= to || to > Rounds)
        fail(c.path.str(), "rounds " + std::to_string(from) + " to " + std::to_string(to),
             "at least one of the " + std::to_string(Rounds) + " that there are");
    }
    void announce(int round, bool backward, bool before) const {
      if (how != nullptr && how->announce != nullptr) how->announce(how->user, round, backward, before);
    }
  };
  template <class C> static constexpr C inside(C const& c, int layer) {
    C l = c.child(static_cast<std::size_t>(layer)).overwriting();
    l.rounds = nullptr;
    l.path = Path{&c.path, nullptr, layer};
    l.layer = layer;
    return l;
  }
};

}  // namespace fauna::inline v0
