// Experts without a computation, beside those that have one (Jin et al. 2024, "MoE++: accelerating mixture-of-experts
// methods with zero-computation experts", section 3.2): a router may give a row nothing, itself or a constant, and so
// decides how much a row is worth. LongCat-Flash (Meituan 2025, section 2.1) has copies alone. As groups of a mixture:
//   MixtureOfExperts<TopK<W, 10, 2>, Dropless, WeightedOutputs, Each<GatedMlp<W, H>, 8>, Each<CopyExpert<W>, 2>>
//   ZeroExpert       0
//   CopyExpert       x
//   ConstantExpert   α_1 x + α_2 v,  [α_1 α_2] = softmax(x W_cᵀ), a vector v that is learned
#pragma once
#include <cmath>

#include <fauna/core/block.hpp>
#include <fauna/ops/add/op.hpp>

namespace fauna::inline v0 {

template <int Width> struct ZeroExpert : SameWidth<Width> {
  static constexpr const char* kind_name = "Zero";
  template <class C, class W, class St, class Sv>
  static void forward(C const& c, W const&, St&, In<C, Width>, Out<C, Width> y, Sv&) {
    add<typename C::backend_type>::clear(c.backend, y);
  }
  template <class C, class W, class G, class Sv, class St>
  static void backward(C const& c, W const&, G&, In<C, Width>, Sv&, In<C, Width>, Out<C, Width> dx, St&) {
    add<typename C::backend_type>::clear(c.backend, dx);
  }
};

template <int Width> struct CopyExpert : SameWidth<Width> {
  static constexpr const char* kind_name = "Copy";
  template <class C, class W, class St, class Sv>
  static void forward(C const& c, W const&, St&, In<C, Width> x, Out<C, Width> y, Sv&) {
    add<typename C::backend_type>::run(c.backend, x, {}, y);
  }
  template <class C, class W, class G, class Sv, class St>
  static void backward(C const& c, W const&, G&, In<C, Width>, Sv&, In<C, Width> dy, Out<C, Width> dx, St&) {
    add<typename C::backend_type>::run(c.backend, dy, {}, dx);
  }
};

/// Row by row: there is little to do.
template <int Width> struct ConstantExpert : SameWidth<Width> {
  static constexpr const char* kind_name = "Constant";
  static constexpr double flops(double) { return 7.0 * Width; }
  template <class D> struct Weights {
    typename D::template storage<kind::control> mix;     ///< [2, Width], W_c
    typename D::template storage<kind::control> vector;  ///< [1, Width], v
  };
  template <class W, class F> static constexpr void visit(W& w, Place const& at, F&& f) {
    f(Tensor{.field = "mix.weight", .rows = 2, .cols = Width, .stored = kind::control, .init = normal(0.02F), .at = at},
      w.mix);
    f(Tensor{.field = "constant", .rows = 1, .cols = Width, .stored = kind::control, .init = normal(0.02F), .at = at},
      w.vector);
  }

  template <class C, class W, class St, class Sv>
  static void forward(C const&, W const& w, St&, In<C, Width> x, Out<C, Width> y, Sv&) {
    using S = typename C::scalar;
    for (int r = 0; r < x.rows(); ++r) {
      const S a = share(w, x.row(r));
      for (int c = 0; c < Width; ++c) y(r, c) = a * x(r, c) + (S(1) - a) * w.vector(0, c);
    }
  }
  /// α_1 = σ(x · (W_c1 - W_c2)), so that α_1' = dy · (x - v).
  template <class C, class W, class G, class Sv, class St>
  static void backward(C const&, W const& w, G& dw, In<C, Width> x, Sv&, In<C, Width> dy, Out<C, Width> dx, St&) {
    using S = typename C::scalar;
    const auto dmix = gradient<S>(dw.mix), dvector = gradient<S>(dw.vector);
    for (int r = 0; r < x.rows(); ++r) {
      const S a = share(w, x.row(r));
      S da(0);
      for (int c = 0; c < Width; ++c) da += dy(r, c) * (x(r, c) - w.vector(0, c));
      const S dz = a * (S(1) - a) * da;
      for (int c = 0; c < Width; ++c) {
        dx(r, c) = a * dy(r, c) + dz * (w.mix(0, c) - w.mix(1, c));
        if (dvector) dvector(0, c) += (S(1) - a) * dy(r, c);
        if (!dmix) continue;
        dmix(0, c) += dz * x(r, c);
        dmix(1, c) -= dz * x(r, c);
      }
    }
  }

 private:
  template <class W, class S> static S share(W const& w, const S* x) {
    using std::exp;
    S z(0);
    for (int c = 0; c < Width; ++c) z += x[c] * (w.mix(0, c) - w.mix(1, c));
    return S(1) / (S(1) + exp(S(0) - z));
  }
};

}  // namespace fauna::inline v0
