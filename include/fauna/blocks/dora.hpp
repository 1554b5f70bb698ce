// Dora<Base, r, s>: a linear layer with a low-rank addition, whose rows have lengths of their own (Liu et al. 2024,
// "DoRA: Weight-decomposed low-rank adaptation", equations 5 and 11).
//   V = W + s B A      z = W x + s B A x̃      y = (m / ‖V‖) ∘ z + b      ‖V‖: the length of each row
//   dz = (m / ‖V‖) ∘ dy, and from there as in blocks/lora.hpp      dm = Σ dy ∘ z / ‖V‖
// ‖V‖ counts as a constant in backward, as the paper proposes and PyPI's peft does. m starts as the lengths of W's rows
// (train/adapters.hpp sets it), so that the layer starts as Base.
#pragma once
#include <fauna/blocks/lora.hpp>
#include <fauna/ops/embedding/op.hpp>
#include <fauna/ops/magnitude/op.hpp>

namespace fauna::inline v0 {

template <class Base, int Rank, LoraScale Scale = LoraScale{1}, Rate Drop = Rate{}>
struct Dora : Leaf<Base::in, Base::out> {
  static constexpr const char* kind_name = "Dora";
  static constexpr int in = Base::in, out = Base::out, rank = Rank;
  static constexpr bool adds_dx = true;
  using Low = Lora<Base, Rank, Scale, Drop>;
  template <class D> struct Weights {
    typename Low::template Weights<D> low;
    typename D::template storage<kind::vector> magnitude;
  };
  template <class S> struct Saved {
    typename Low::template Saved<S> low;
    View<S, dyn, out> z;
    Matrix<S> length;
  };

  template <class W, class F> static constexpr void visit(W& w, Place const& at, F&& f) {
    Layout rows{};
    Low::visit(w.low, at, [&](Tensor const& t, auto& v) {
      rows = t.layout;  // B's, which come last: the magnitudes' are those of its rows
      f(t, v);
    });
    f(Tensor{.field = "lora_magnitude_vector",
             .rows = 1,
             .cols = out,
             .stored = kind::vector,
             .init = ones,
             .layout = rows,
             .at = at},
      w.magnitude);
  }
  template <class S> static constexpr void plan(Saved<S>& s, Shape const& shape, Arena& a) {
    Low::plan(s.low, shape, a);
    s.z = a.take_view<S, dyn, out>(shape.rows());
    s.length = a.take_view<S, dyn, dyn>(1, out);
  }
  template <class B> static constexpr void plan_scratch(Shape const& s, Arena& a) {
    using S = typename B::scalar;
    Scope scope(a);
    a.take_view<S, dyn, out>(s.rows());
    a.take_view<S, dyn, dyn>(1, out);
    {
      Scope inner(a);
      a.take_view<S, dyn, in>(slice);
      plan_workspace(gemm<B>::workspace(slice, in, Rank, s.threads), a);
    }
    Low::template plan_scratch<B>(s, a);
  }
  static constexpr double flops(double context) { return Low::flops(context) + 2.0 * out; }

  using Rows = Leaf<Base::in, Base::out>;

  template <class C, class W, class St, class Sv>
  static void forward(C const& c, W const& w, St&, In<C, Base::in> x, Out<C, Base::out> y, Sv& saved) {
    using S = typename C::scalar;
    Scope scope(c.scratch());
    const View<S, dyn, out> z =
        c.keeps() ? saved.z.middle_rows(0, x.rows()) : c.scratch().template take_view<S, dyn, out>(x.rows());
    const Matrix<S> length = c.keeps() ? saved.length : c.scratch().template take_view<S, dyn, dyn>(1, out);
    measure(c, w.low, length.data());
    typename Low::template State<S> none;
    Low::forward(c, without_bias(w.low), none, x, z, saved.low);
    magnitude<typename C::backend_type>::forward(c.backend, as_const(z), w.magnitude.data(), length.data(),
                                                 w.low.base.bias.data(), y);
  }
  template <class C, class W, class G, class Sv, class St>
  static void backward(C const& c, W const& w, G& dw, In<C, Base::in> x, Sv& saved, In<C, Base::out> dy,
                       Out<C, Base::in> dx, St&) {
    using S = typename C::scalar;
    using B = typename C::backend_type;
    Scope scope(c.scratch());
    const auto dz = c.scratch().template take_view<S, dyn, out>(x.rows());
    magnitude<B>::backward(c.backend, as_const(saved.z.middle_rows(0, x.rows())), w.magnitude.data(),
                           saved.length.data(), dy, dz, gradient<S>(dw.magnitude).data());
    if (const auto g = gradient<S>(dw.low.base.bias)) add<B>::column_sums(c.backend, dy, g.data());
    auto low = without_bias(dw.low);
    typename Low::template State<S> none;
    Low::backward(c, without_bias(w.low), low, x, saved.low, as_const(dz), dx, none);
  }

 private:
  /// Rows of V that are in memory at once.
  static constexpr int slice = out < 256 ? out : 256;
  /// The bias is added after the magnitudes.
  template <class W> static constexpr W without_bias(W w) {
    w.base.bias = {};
    return w;
  }
  /// ‖W + s B A‖, row by row. W may be stored in any way that a look-up reads.
  template <class C, class W> static void measure(C const& c, W const& w, typename C::scalar* length) {
    using S = typename C::scalar;
    using B = typename C::backend_type;
    static_assert(std::is_same_v<std::remove_cvref_t<decltype(w.b)>, Matrix<S>>,
                  "fauna: DoRA beside a base is for training; Adapter::merge_into adds it for inference");
    Scope scope(c.scratch());
    const auto room = c.scratch().template take_view<S, dyn, in>(slice);
    for (int from = 0; from < out; from += slice) {
      const int n = out - from < slice ? out - from : slice;
      int ids[slice];
      for (int i = 0; i < n; ++i) ids[i] = from + i;
      const auto rows = room.middle_rows(0, n);
      gemm<B>::nn(c.backend, reading(as_const(w.b.middle_rows(from, n))), reading(w.a), matrix(rows));
      scale<B>::run(c.backend, Scale.value, rows);
      embedding<B>::forward(c.backend, ids, reading(w.base.weight), as_const(rows), rows);
      magnitude<B>::lengths(c.backend, as_const(rows), length + from);
    }
  }
};

}  // namespace fauna::inline v0
