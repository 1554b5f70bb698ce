// What is done to each head of a row by itself, as to a row of its own.
#pragma once
#include <fauna/blocks/norm.hpp>
#include <fauna/ops/unit_heads/op.hpp>

namespace fauna::inline v0 {

/// Heads of N columns at length 1 (ops/unit_heads/op.hpp). No weights.
template <int Heads, int N, Epsilon E = Epsilon{1e-6F}> struct UnitHeads : SameWidth<Heads * N> {
  static constexpr const char* kind_name = "UnitHeads";
  static constexpr double flops(double) { return 3.0 * Heads * N; }

  template <class C, class W, class St, class Sv>
  static void forward(C const& c, W const&, St&, In<C, Heads * N> x, Out<C, Heads * N> y, Sv&) {
    unit_heads<typename C::backend_type>::forward(c.backend, N, static_cast<double>(E.value), x, y);
  }
  template <class C, class W, class G, class Sv, class St>
  static void backward(C const& c, W const&, G&, In<C, Heads * N> x, Sv&, In<C, Heads * N> dy, Out<C, Heads * N> dx,
                       St&) {
    unit_heads<typename C::backend_type>::backward(c.backend, N, static_cast<double>(E.value), x, dy, dx);
  }
};

/// A norm for each head, RmsNorm or LayerNorm without bias, whose weight all heads share, or of which each has its own
/// (Wu and He 2018, "Group normalization", where heads are the groups). On queries and keys it keeps their products
/// within bounds (Henry et al. 2020, "Query-key normalization"; Qwen3 and Gemma 3 have it in this form).
template <int Heads, class Norm, bool Shared = true> struct HeadNorm : SameWidth<Heads * Norm::in> {
  static constexpr const char* kind_name = "HeadNorm";
  static constexpr int N = Norm::in;
  template <class D> using Weights = typename Norm::template Weights<D>;
  template <class S> struct Saved { typename Norm::template Saved<S> head[Heads]; };

  template <class W, class F> static constexpr void visit(W& w, Place const& at, F&& f) {
    Norm::visit(w, at, [&f](Tensor t, auto& v) {
      if (!Shared) t.cols *= Heads;
      f(t, v);
    });
  }
  template <class S> static constexpr void plan(Saved<S>& s, Shape const& shape, Arena& a) {
    for (auto& head : s.head) Norm::plan(head, shape, a);
  }
  template <class B> static constexpr void plan_scratch(Shape const& shape, Arena& a) {
    Norm::template plan_scratch<B>(shape, a);
  }

  template <class C, class W, class St, class Sv>
  static void forward(C const& c, W const& w, St& st, In<C, Heads * N> x, Out<C, Heads * N> y, Sv& saved) {
    using S = typename C::scalar;
    for (int h = 0; h < Heads; ++h)
      Norm::forward(c, part<const S>(w.weight.data(), h), st, head(x, h), head(y, h), saved.head[h]);
  }
  template <class C, class W, class G, class Sv, class St>
  static void backward(C const& c, W const& w, G& dw, In<C, Heads * N> x, Sv& saved, In<C, Heads * N> dy,
                       Out<C, Heads * N> dx, St& st) {
    using S = typename C::scalar;
    for (int h = 0; h < Heads; ++h) {
      auto d = part<S>(gradient<S>(dw.weight).data(), h);
      Norm::backward(c, part<const S>(w.weight.data(), h), d, head(x, h), saved.head[h], head(dy, h), head(dx, h), st);
    }
  }

 private:
  template <class S> struct Part { Matrix<S> weight, bias; };
  template <class S> static constexpr Part<S> part(S* weight, int h) {
    if (weight == nullptr) return {};
    return {Matrix<S>(weight + (Shared ? 0 : h * N), 1, N), {}};
  }
  template <class T, int Cols> static constexpr auto head(View<T, dyn, Cols> v, int h) {
    return View<T, dyn, N>(v.data() + h * N, v.rows(), N, v.stride());
  }
};

}  // namespace fauna::inline v0
