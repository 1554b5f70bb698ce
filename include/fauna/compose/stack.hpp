// Stack<First, Rounds, A, B, ...>: a pattern of layers, repeated. A loop at run time over one type per kind of layer,
// so that 48 layers compile as quickly as one, and a pattern without a rule as quickly as its kinds: layers of one type
// share code, and their weights, states and activations stand side by side. Layers are named and numbered by their flat
// index, First + round * pattern + slot.
#pragma once
#include <initializer_list>

#include <fauna/compose/seq.hpp>
#include <fauna/ops/add/op.hpp>

namespace fauna::inline v0 {

namespace stack_detail {

/// The types without repetitions, each where it comes first.
template <class Found, class... Ls> struct distinct_ { using type = Found; };
template <class... Found, class L, class... Rest>
struct distinct_<Children<Found...>, L, Rest...>
    : distinct_<std::conditional_t<(std::is_same_v<Found, L> || ...), Children<Found...>, Children<Found..., L>>,
                Rest...> {};

/// Of which kind slots are.
template <std::size_t Slots, std::size_t Kinds> struct SlotKinds {
  static constexpr std::size_t kinds = Kinds;
  int kind[Slots]{};    ///< of a slot
  int number[Slots]{};  ///< of a slot among those of its kind
  int slots[Kinds]{};   ///< of a kind
};
template <class... Ls, class... Ks> constexpr auto slot_kinds(Children<Ls...>, Children<Ks...>) {
  SlotKinds<sizeof...(Ls), sizeof...(Ks)> t;
  int s = 0;
  const auto add = [&]<class L>(std::type_identity<L>) {
    int k = 0;
    (void)((std::is_same_v<L, Ks> || (++k, false)) || ...);
    t.kind[s] = k;
    t.number[s++] = t.slots[k]++;
  };
  (add(std::type_identity<Ls>{}), ...);
  return t;
}

template <class T, int N> struct Row { T of[N]; };
template <class K, class S> struct Kept {
  typename K::template Saved<S> layer;
  View<S, dyn, K::out> y;  ///< the layer's output
};
/// N of each kind K.
template <class Kinds, int... N> struct PerKind;
template <class... K, int... N> struct PerKind<Children<K...>, N...> {
  template <std::size_t I> using Kind = nth<I, K...>;
  template <class D> using Weights = Tuple<Row<typename K::template Weights<D>, N>...>;
  template <class S> using State = Tuple<Row<typename K::template State<S>, N>...>;
  template <class S> using Saved = Tuple<Row<Kept<K, S>, N>...>;
};

}  // namespace stack_detail

template <int First, int Rounds, Block... Ls> struct Stack {
  static constexpr int pattern = static_cast<int>(sizeof...(Ls)), layers = Rounds * pattern;
  using composition = Stack;
  using children = typename stack_detail::distinct_<Children<>, Ls...>::type;  ///< the kinds
  static constexpr auto slot = stack_detail::slot_kinds(Children<Ls...>{}, children{});
  static constexpr std::size_t kinds = slot.kinds;
  template <class Slots, class... New> struct with_;
  template <std::size_t... S, class... New> struct with_<std::index_sequence<S...>, New...> {
    using type = Stack<First, Rounds, nth<slot.kind[S], New...>...>;
  };
  template <class... New> using with = typename with_<std::index_sequence_for<Ls...>, New...>::type;
  /// The layers of a kind: "0 .. 4, 6 .. 10, ..., 36 .. 39".
  static std::string child_name(std::size_t kind) {
    std::string names, last;
    for (int l = 0, runs = 0; l < layers; ++l) {
      const auto is = [&](int i) { return i >= 0 && i < layers && slot.kind[i % pattern] == static_cast<int>(kind); };
      if (!is(l) || is(l - 1)) continue;
      int end = l;
      while (is(end + 1)) ++end;
      last = std::to_string(First + l) + (end > l ? " .. " + std::to_string(First + end) : "");
      if (++runs <= 2) names += (runs > 1 ? ", " : "") + std::exchange(last, "");
      else if (runs == 4) names += ", ...";
    }
    return names + (last.empty() ? "" : ", " + last);
  }
  using Round = Seq<Ls...>;
  template <class K> struct layers_;
  template <std::size_t... K> struct layers_<std::index_sequence<K...>> {
    using type = stack_detail::PerKind<children, Rounds * slot.slots[K]...>;
  };
  using Layers = typename layers_<std::make_index_sequence<kinds>>::type;
  template <std::size_t K> using Kind = typename Layers::template Kind<K>;

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
  template <class D> struct Weights { typename Layers::template Weights<D> layer; };
  template <class S> struct State { typename Layers::template State<S> layer; };
  template <class S> struct Saved { typename Layers::template Saved<S> layer; };

  template <class W, class F> static constexpr void visit(W& w, Place const& place, F&& f) {
    for (int l = 0; l < layers; ++l)
      with_layer(l, [&](auto k, int i) {
        const Path here{place.path, nullptr, First + l};
        Kind<k>::visit(at<k>(w.layer).of[i],
                       Place{&here, First + l, First + layers, place.outer < 0 ? First + l : place.outer, place.rank},
                       f);
      });
  }
  template <class S> static constexpr void plan(Saved<S>& s, Shape const& shape, Arena& a) {
    for (int l = 0; l < layers; ++l)
      with_layer(l, [&](auto k, int i) {
        auto& kept = at<k>(s.layer).of[i];
        Kind<k>::plan(kept.layer, shape, a);
        kept.y = a.take_view<S, dyn, Kind<k>::out>(shape.rows());
      });
  }
  template <class S> static constexpr void plan_state(State<S>& s, Shape const& shape, Arena& a) {
    for (int l = 0; l < layers; ++l)
      with_layer(l, [&](auto k, int i) { Kind<k>::plan_state(at<k>(s.layer).of[i], shape, a); });
  }
  template <class F, class... St> static constexpr void visit_state(F&& f, St&... s) {
    for (int l = 0; l < layers; ++l)
      with_layer(l, [&](auto k, int i) { Kind<k>::visit_state(f, at<k>(s.layer).of[i]...); });
  }
  template <class B> static constexpr void plan_scratch(Shape const& shape, Arena& a) {
    Scope s(a);
    for (int i = 0; i < 2; ++i) a.take_view<typename B::scalar, dyn, widest>(shape.rows());
    each_index<kinds>([&](auto k) { Kind<k>::template plan_scratch<B>(shape, a); });
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
    Matrix<const S> from = x;
    for (int l = run.from * pattern; l < run.to * pattern; ++l) {
      run.announce(First + l, false, true);
      with_layer(l, [&](auto k, int i) {
        using L = Kind<k>;
        View<S, dyn, L::out> out_view;
        if (layers == 1 || l == run.to * pattern - 1)  // the first half spares GCC 12 a false -Warray-bounds
          out_view = View<S, dyn, L::out>(y.data(), y.rows(), L::out, y.stride());
        else if (c.keeps()) out_view = at<k>(saved.layer).of[i].y;
        else out_view = View<S, dyn, L::out>(turn[l & 1].data(), x.rows());
        if (run.template passes_over<L>(l)) add<typename C::backend_type>::run(c.backend, from, {}, matrix(out_view));
        else
          L::forward(inside(c, l), at<k>(w.layer).of[i], at<k>(state.layer).of[i],
                     View<const S, dyn, L::in>(from.data(), x.rows(), L::in, from.stride()), out_view,
                     at<k>(saved.layer).of[i].layer);
        from = out_view;
      });
      run.announce(First + l, false, false);
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
    for (int l = run.to * pattern - 1; l >= run.from * pattern; --l) {
      run.announce(First + l, true, true);
      const bool first = l == run.from * pattern;
      Matrix<const S> input = x;
      if (!first) with_layer(l - 1, [&](auto k, int i) { input = at<k>(saved.layer).of[i].y; });
      with_layer(l, [&](auto k, int i) {
        using L = Kind<k>;
        Matrix<S> out_gradient = dx;
        if (!first) out_gradient = Matrix<S>(turn[l & 1].data(), x.rows(), L::in);
        if (run.template passes_over<L>(l)) add<typename C::backend_type>::run(c.backend, gradient, {}, out_gradient);
        else
          L::backward(inside(c, l), at<k>(w.layer).of[i], at<k>(dw.layer).of[i],
                      View<const S, dyn, L::in>(input.data(), x.rows(), L::in, input.stride()),
                      at<k>(saved.layer).of[i].layer,
                      View<const S, dyn, L::out>(gradient.data(), x.rows(), L::out, gradient.stride()),
                      View<S, dyn, L::in>(out_gradient.data(), x.rows(), L::in, out_gradient.stride()),
                      at<k>(dstate.layer).of[i]);
        gradient = out_gradient;
      });
      run.announce(First + l, true, false);
    }
  }

 private:
  static constexpr int widest = [] {
    int w = 0;
    ((w = Ls::out > w ? Ls::out : w), ...);
    return w;
  }();
  /// f(kind, number among the layers of that kind) of layer `l`, counted from 0.
  template <class F> static constexpr void with_layer(int l, F&& f) {
    const int s = l % pattern;
    each_index<kinds>([&](auto k) {
      if (kinds == 1 || slot.kind[s] == static_cast<int>(k)) f(k, l / pattern * slot.slots[k] + slot.number[s]);
    });
  }
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
    template <class L> bool passes_over(int layer) const {
      return L::in == L::out && how != nullptr && how->passed_over != nullptr && how->passed_over[layer] != 0;
    }
    void announce(int layer, bool backward, bool before) const {
      if (how != nullptr && how->announce != nullptr) how->announce(how->user, layer, backward, before);
    }
  };
  template <class C> static constexpr C inside(C const& c, int l) {
    C call = c.child(static_cast<std::size_t>(First + l)).overwriting();
    call.rounds = nullptr;
    call.path = Path{&c.path, nullptr, First + l};
    call.layer = First + l;
    return call;
  }
};

}  // namespace fauna::inline v0
