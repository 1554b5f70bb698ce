// Lora<Base, r, s>: a linear layer with a low-rank addition beside it (Hu et al. 2021, "LoRA: Low-rank adaptation of
// large language models", section 4.1).
//   y = W x + b + s B A x̃      A [r, in], B [out, r];  s = α / r or α / √r;  x̃ = dropout(x), which Base does not see
//   u = s A x̃      dB = dyᵀ u      du = s Bᵀ dy      dA = du x̃ᵀ      dx = Wᵀ dy + dropout'(Aᵀ du)
// B starts as zeros, so the layer starts as Base, and the first step moves B alone. Base is a Linear, perhaps in a
// layout of its own in files. What of it trains, its gradients say, as everywhere; train/adapters.hpp freezes all else
// than A and B. Names are those of PyPI's peft, under the layer's own.
#pragma once
#include <string_view>

#include <fauna/blocks/dropout.hpp>
#include <fauna/blocks/linear.hpp>
#include <fauna/compose/stored_as.hpp>
#include <fauna/ops/scale/op.hpp>

namespace fauna::inline v0 {

/// A number as a template argument: LoraScale{2}.
struct LoraScale {
  double value = 1;
  constexpr bool operator==(LoraScale const&) const = default;
};

/// Is a block a Linear, in whatever layout files have it?
template <class B> inline constexpr bool is_linear = false;
template <int In, int Out, bool Bias, Init Start> inline constexpr bool is_linear<Linear<In, Out, Bias, Start>> = true;
template <Layout L, class B> inline constexpr bool is_linear<StoredAs<L, B>> = is_linear<B>;

/// Is a tensor of that name a Lora's own, a LoraEmbedding's, a LoraHead's, a Dora's, an AdapterV2's, or a
/// PrefixedAttention's?
constexpr bool is_adapter(std::string_view name) {
  return name.ends_with(".lora_A.weight") || name.ends_with(".lora_B.weight") || name.ends_with(".lora_embedding_A") ||
         name.ends_with(".lora_embedding_B") || name.ends_with(".lora_magnitude_vector") ||
         name.ends_with(".adapter_scale") || name.ends_with(".adapter_bias") || name.ends_with(".adapter_wte.weight") ||
         name.ends_with(".gating_factor");
}

template <class Base, int Rank, LoraScale Scale = LoraScale{1}, Rate Drop = Rate{}>
struct Lora : Leaf<Base::in, Base::out> {
  static_assert(is_linear<Base>, "fauna: Lora stands around a Linear: see Base");
  static constexpr const char* kind_name = "Lora";
  static constexpr int in = Base::in, out = Base::out, rank = Rank;
  static constexpr bool adds_y = true, adds_dx = true;
  template <class D> struct Weights {
    typename Base::template Weights<FrozenOf<D>> base;
    typename D::template storage<kind::matrix> a, b;
  };
  template <class S> struct Saved {
    typename Base::template Saved<S> base;
    View<S, dyn, Rank> u;
  };

  template <class W, class F> static constexpr void visit(W& w, Place const& at, F&& f) {
    Layout rows{};  // B's rows are in files as W's; a transposed W does not transpose B
    Base::visit(w.base, at, [&](Tensor const& t, auto& v) {
      if (t.stored == kind::matrix) rows = {.heads = t.layout.heads, .parts = t.layout.parts};
      f(t, v);
    });
    f(Tensor{.field = "lora_A.weight", .rows = Rank, .cols = in, .init = uniform(-bound(), bound()), .at = at}, w.a);
    f(Tensor{.field = "lora_B.weight", .rows = out, .cols = Rank, .layout = rows, .at = at}, w.b);
  }
  template <class S> static constexpr void plan(Saved<S>& s, Shape const& shape, Arena& a) {
    Base::plan(s.base, shape, a);
    s.u = a.take_view<S, dyn, Rank>(shape.rows());
  }
  template <class B> static constexpr void plan_scratch(Shape const& s, Arena& a) {
    using S = typename B::scalar;
    Scope scope(a);
    a.take_view<S, dyn, Rank>(s.rows());
    if (drops) a.take_view<S, dyn, in>(s.rows());
    Base::template plan_scratch<B>(s, a);
    const auto product = [&](int m, int n, int k) { plan_workspace(gemm<B>::workspace(m, n, k, s.threads), a); };
    product(s.rows(), Rank, in);
    product(s.rows(), out, Rank);
    if (!s.backward) return;
    product(s.rows(), Rank, out);
    product(out, Rank, s.rows());
    product(Rank, in, s.rows());
    product(s.rows(), in, Rank);
  }
  static constexpr double flops(double context) { return Base::flops(context) + 2.0 * Rank * (in + out); }

  template <class C, class W, class St, class Sv>
  static void forward(C const& c, W const& w, St&, In<C, Base::in> x, Out<C, Base::out> y, Sv& saved) {
    using S = typename C::scalar;
    using B = typename C::backend_type;
    typename Base::template State<S> none;
    Base::forward(c, w.base, none, x, y, saved.base);
    Scope scope(c.scratch());
    View<S, dyn, Rank> u =
        c.keeps() ? saved.u.middle_rows(0, x.rows()) : c.scratch().template take_view<S, dyn, Rank>(x.rows());
    gemm<B>::nt(c.backend, reading(dropped(c, x)), reading(w.a), matrix(u));
    scale<B>::run(c.backend, Scale.value, u);
    gemm<B>::nt(c.backend, reading(as_const(u)), reading(w.b), matrix(y), onto<S>(y));
  }
  template <class C, class W, class G, class Sv, class St>
  static void backward(C const& c, W const& w, G& dw, In<C, Base::in> x, Sv& saved, In<C, Base::out> dy,
                       Out<C, Base::in> dx, St&) {
    using S = typename C::scalar;
    using B = typename C::backend_type;
    typename Base::template State<S> none;
    Scope scope(c.scratch());
    const auto du = c.scratch().template take_view<S, dyn, Rank>(x.rows());
    gemm<B>::nn(c.backend, reading(dy), reading(w.b), matrix(du));
    scale<B>::run(c.backend, Scale.value, du);
    if (const auto g = gradient<S>(dw.b))
      gemm<B>::tn(c.backend, reading(dy), reading(as_const(saved.u.middle_rows(0, x.rows()))), g, onto<S>(g));
    if (const auto g = gradient<S>(dw.a)) {
      Scope inner(c.scratch());
      gemm<B>::tn(c.backend, reading(as_const(du)), reading(dropped(c, x)), g, onto<S>(g));
    }
    Base::backward(c, w.base, dw.base, x, saved.base, dy, dx, none);
    if constexpr (drops) {
      const auto t = c.scratch().template take_view<S, dyn, in>(x.rows());
      gemm<B>::nn(c.backend, reading(as_const(du)), reading(w.a), matrix(t));
      dropout<B>::apply(c.backend, c.key, Drop.value, as_const(t), as_const(dx), dx);
    } else {
      gemm<B>::nn(c.backend, reading(as_const(du)), reading(w.a), matrix(dx), onto<S>(dx));
    }
  }

 private:
  static constexpr bool drops = !(Drop == Rate{});
  /// 1/√in: Kaiming's uniform bound with a = √5 (He et al. 2015), as in the reference implementation.
  static constexpr float bound() { return static_cast<float>(1 / square_root(static_cast<double>(in))); }
  template <class S, class V> static constexpr Epilogue<S> onto(V const& y) {
    Epilogue<S> e;
    e.base = y.data();
    e.base_stride = y.stride();
    return e;
  }
  /// x̃, in scratch where it is not x.
  template <class C> static In<C, Base::in> dropped(C const& c, In<C, Base::in> x) {
    if constexpr (drops)
      if (c.keeps()) {
        const auto t = c.scratch().template take_view<typename C::scalar, dyn, in>(x.rows());
        dropout<typename C::backend_type>::apply(c.backend, c.key, Drop.value, x, {}, t);
        return as_const(t);
      }
    return x;
  }
};

}  // namespace fauna::inline v0
