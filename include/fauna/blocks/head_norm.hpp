// HeadNorm: RMSNorm of each head of a row, with the same weights for all heads. On queries and keys it keeps their
// products within bounds (Henry et al. 2020, "Query-key normalization"; Qwen3 and Gemma 3 have it in this form).
//   y_h = x_h / √(mean of x_h² + ε) · (offset + weight)       h = 1 .. Heads
#pragma once
#include <fauna/blocks/norm.hpp>

namespace fauna::inline v0 {

/// Rows of NHeads heads of HeadSize columns, side by side, to the same. Offset as for RmsNorm.
template <int NHeads, int HeadSize, Epsilon E = Epsilon{}, int Offset = 0>
struct HeadNorm : Elementwise<NHeads * HeadSize> {
  static constexpr const char* kind_name = "HeadNorm";
  static constexpr int width = NHeads * HeadSize;
  using One = RmsNorm<HeadSize, E, Offset>;
  template <class D> using Weights = typename One::template Weights<D>;
  template <class S> struct Saved {
    View<S, dyn, 1> rstd;  ///< [head][row]
  };
  template <class W, class F> static constexpr void visit(W& w, Place const& at, F&& f) { One::visit(w, at, f); }
  template <class S> static constexpr void plan(Saved<S>& s, Shape const& shape, Arena& a) {
    s.rstd = a.take_view<S, dyn, 1>(NHeads * shape.rows());
  }
  template <class B> static constexpr void plan_scratch(Shape const& s, Arena& a) {
    One::template plan_scratch<B>(s, a);
  }
  template <class C> using X = typename Elementwise<width>::template X<C>;
  template <class C> using Y = typename Elementwise<width>::template Y<C>;

  template <class C, class W, class St, class Sv>
  static void forward(C const& c, W const& w, St&, X<C> x, Y<C> y, Sv& saved) {
    for (int h = 0; h < NHeads; ++h)
      rms_norm<typename C::backend_type>::forward(c.backend, head(x, h), w.weight.data(), Offset, head(y, h),
                                                  rstd(saved, h, x.rows()), E.value);
  }
  template <class C, class W, class G, class Sv, class St>
  static void backward(C const& c, W const& w, G& dw, X<C> x, Sv& saved, X<C> dy, Y<C> dx, St&) {
    for (int h = 0; h < NHeads; ++h)
      rms_norm<typename C::backend_type>::backward(c.backend, head(x, h), w.weight.data(), Offset,
                                                   rstd(saved, h, x.rows()), head(dy, h), head(dx, h), {},
                                                   gradient<typename C::scalar>(dw.weight).data());
  }

 private:
  template <class V> static constexpr auto head(V x, int h) {
    return Matrix<typename V::element>(x.data() + h * HeadSize, x.rows(), HeadSize, x.stride());
  }
  template <class Sv> static constexpr auto rstd(Sv& saved, int h, int rows) {
    return saved.rstd ? saved.rstd.data() + static_cast<std::ptrdiff_t>(h) * rows : nullptr;
  }
};

}  // namespace fauna::inline v0
