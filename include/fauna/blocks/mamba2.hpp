// Mamba-2's mixer (Dao and Gu 2024, "Transformers are SSMs: Generalized models and efficient algorithms through
// structured state space duality", section 7.1), as mamba_ssm and transformers have it.
//   C  Width of the residual stream     H  Heads of P columns, E = H P     N  States, numbers for each column of a head
//   G  Groups of heads, which share B and C     K  Taps of the convolution
//   [z | xBC | dt] = u W_inᵀ      [x | B | C] = silu(conv(xBC))      δ = softplus(dt + dt_bias)
//   S_t = exp(δ_t A) S_{t-1} + B_tᵀ δ_t x_t,  A = -exp(A_log)      y_t = C_t S_t + D x_t      head by head
//   out = norm(y ∘ silu(z)) W_outᵀ, or (norm(y) ∘ silu(z)) W_outᵀ, or (y ∘ silu(z)) W_outᵀ; the norm is that of each
//   group's columns
// Initial values are those of mamba_ssm: A uniform in [1, 16), where transformers has 1, 2, ..., H.
#pragma once
#include <cmath>
#include <type_traits>

#include <fauna/blocks/causal_conv.hpp>
#include <fauna/blocks/linear.hpp>
#include <fauna/blocks/norm.hpp>
#include <fauna/compose/at.hpp>
#include <fauna/compose/present.hpp>
#include <fauna/core/row_states.hpp>
#include <fauna/ops/activation/op.hpp>
#include <fauna/ops/gated_norm/op.hpp>
#include <fauna/ops/product/op.hpp>
#include <fauna/ops/ssd/op.hpp>

namespace fauna::inline v0 {

/// What a mixer of Mamba-2 is, beside its width.
struct Mamba2Sizes {
  int heads = 24, size = 64, states = 128, groups = 1, taps = 4;
  bool conv_bias = true;
  bool gate_first = true;  ///< the gate before the norm
  Epsilon epsilon{};       ///< of the norm
  bool normed = true;      ///< else the gate alone, without a norm (Falcon-H1)
  constexpr bool operator==(Mamba2Sizes const&) const = default;
  constexpr int inner() const { return heads * size; }
  /// Columns of x, B and C.
  constexpr int convolved() const { return inner() + 2 * groups * states; }
};

/// The mixer between its two outer projections: rows of [z | xBC | dt] to rows of E. Its state: the convolution's last
/// inputs and, for each head of a sequence, N rows of P numbers.
template <Mamba2Sizes Z> struct Mamba2Core : Leaf<Z.inner() + Z.convolved() + Z.heads, Z.inner()> {
  static constexpr const char* kind_name = "Mamba2Core";
  static constexpr int E = Z.inner(), H = Z.heads, P = Z.size, N = Z.states, G = Z.groups, XBC = Z.convolved();
  using fault = std::conditional_t<H % G == 0, void, groups_do_not_divide_heads<Mamba2Core, H, G>>;
  using Conv = At<"conv1d", CausalConv<XBC, Z.taps, Z.conv_bias>>;
  using Norm = At<"norm", RmsNorm<E>>;  // its tensor alone: the gate is part of what is normalised
  static constexpr SsdSizes sizes{H, P, N, G};
  static constexpr GatedNorm form{G, Z.gate_first, static_cast<double>(Z.epsilon.value)};

  template <class D> struct Weights {
    typename Conv::template Weights<D> conv;
    typename Norm::template Weights<D> norm;  ///< absent without a norm
    typename D::template storage<kind::vector> A_log, D_, dt_bias;
  };
  template <class S> struct State {
    typename Conv::template State<S> conv;
    View<S, dyn, P> heads;
  };
  template <class S> struct Saved {
    typename Conv::template Saved<S> conv;
    View<S, dyn, XBC> convolved, xbc;
    View<S, dyn, E> y;
    View<S, dyn, G> rstd;
    View<S, dyn, P> kept;  ///< states between chunks
  };

  template <class W, class F> static constexpr void visit(W& w, Place const& at, F&& f) {
    Tensor head{.field = "dt_bias",
                .rows = 1,
                .cols = H,
                .stored = kind::vector,
                .init = inverse_softplus(1e-3F, 1e-1F),
                .at = at};
    f(head, w.dt_bias);
    head.field = "A_log";
    head.draw_rows = start_rates;
    f(head, w.A_log);
    head.field = "D";
    head.draw_rows = nullptr;
    head.init = ones;
    f(head, w.D_);
    Conv::visit(w.conv, at, f);
    if constexpr (Z.normed) Norm::visit(w.norm, at, f);
  }
  template <class S> static constexpr void plan(Saved<S>& s, Shape const& shape, Arena& a) {
    const int rows = shape.rows();
    Conv::plan(s.conv, shape, a);
    s.convolved = a.take_view<S, dyn, XBC>(rows);
    s.xbc = a.take_view<S, dyn, XBC>(rows);
    s.y = a.take_view<S, dyn, E>(rows);
    if constexpr (Z.normed) s.rstd = a.take_view<S, dyn, G>(rows);
    s.kept = a.take_view<S, dyn, P>(ssd_kept(rows, shape.sequences) * H * N);
  }
  template <class S> static constexpr void plan_state(State<S>& s, Shape const& shape, Arena& a) {
    Conv::plan_state(s.conv, shape, a);
    s.heads = a.take_view<S, dyn, P>(shape.sequences * H * N);
  }
  template <class F, class... St> static constexpr void visit_state(F&& f, St&... s) {
    Conv::visit_state(f, s.conv...);
    f(StatePiece{.rows = H * N}, s.heads...);
  }
  template <class B> static constexpr void plan_scratch(Shape const& shape, Arena& a) {
    using S = typename B::scalar;
    const int rows = shape.rows();
    Scope s(a);
    // Forward in inference: what training saves. Backward: the gradients of two of these.
    if (!shape.backward) a.take_view<S, dyn, XBC>(rows);
    a.take_view<S, dyn, XBC>(rows);
    a.take_view<S, dyn, E>(rows);
    if (!Z.normed) a.take_view<S, dyn, E>(rows);
    Conv::template plan_scratch<B>(shape, a);
    plan_workspace(ssd<B>::workspace(sizes, rows, shape.sequences, shape.threads, shape.backward), a);
    if (Z.normed && shape.backward) plan_workspace(gated_norm<B>::workspace(rows, E), a);
  }
  static constexpr double flops(double context) {
    return Conv::flops(context) + 2.0 * ssd_chunk * (G * N + E) + 4.0 * N * E;
  }

  template <class C, class W, class St, class Sv>
  static void forward(C const& c, W const& w, St& st, In<C, E + XBC + H> u, Out<C, E> out, Sv& saved) {
    using S = typename C::scalar;
    using B = typename C::backend_type;
    Scope s(c.scratch());
    const auto wide = [&](View<S, dyn, XBC> kept) {
      return c.keeps() ? kept : c.scratch().template take_view<S, dyn, XBC>(u.rows());
    };
    const auto convolved = wide(saved.convolved), xbc = wide(saved.xbc);
    const auto y = c.keeps() ? saved.y : c.scratch().template take_view<S, dyn, E>(u.rows());
    Conv::forward(c.child(0).overwriting(), w.conv, st.conv, u.template columns<E, XBC>(), convolved, saved.conv);
    activate<B>::forward(c.backend, activation::silu, convolved, xbc);
    const auto in = rows(as_const(xbc), u);
    const auto op = [backend = c.backend, of = heads<const S>(w)](Batch const& b, SsdRows<const S> const& from,
                                                                  Matrix<S> state, Matrix<S> to, Matrix<S> kept) {
      ssd<B>::forward(backend, b, sizes, from, of, state, to, kept);
    };
    // C is of what is read from a state, and not of the state.
    const auto fold = [op](Batch const& b, FactorRow<S> r, Matrix<S> state, Matrix<S> to) {
      op(b, {r[0], r[1], r[1], r[2]}, state, to, {});
    };
    by_row(
        *c.batch, [&](Batch const& b) { op(b, in, st.heads, y, saved.kept); }, StatePart{st.heads, H * N},
        factors<S>(fold, E, in.x, in.b, in.dt));
    const auto z = u.template columns<0, E>();
    if constexpr (Z.normed) {
      gated_norm<B>::forward(c.backend, form, y, z, w.norm.weight.data(), out, saved.rstd);
    } else {
      const auto gate = c.scratch().template take_view<S, dyn, E>(u.rows());
      activate<B>::forward(c.backend, activation::silu, z, gate);
      product<B>::run(c.backend, y, gate, out);
    }
  }

  template <class C, class W, class G_, class Sv, class St>
  static void backward(C const& c, W const& w, G_& dw, In<C, E + XBC + H> u, Sv& saved, In<C, E> dout,
                       Out<C, E + XBC + H> du, St& dst) {
    using S = typename C::scalar;
    using B = typename C::backend_type;
    Scope s(c.scratch());
    const auto dxbc = c.scratch().template take_view<S, dyn, XBC>(u.rows());
    const auto dy = c.scratch().template take_view<S, dyn, E>(u.rows());
    const auto z = u.template columns<0, E>();
    const auto dz = du.template columns<0, E>();
    if constexpr (Z.normed) {
      gated_norm<B>::backward(c.backend, form, saved.y, z, w.norm.weight.data(), saved.rstd, dout, dy, dz,
                              gradient<S>(dw.norm.weight).data());
    } else {
      const auto gate = c.scratch().template take_view<S, dyn, E>(u.rows());
      activate<B>::forward(c.backend, activation::silu, z, gate);
      product<B>::run(c.backend, dout, gate, dy);
      product<B>::run(c.backend, dout, saved.y, gate);
      activate<B>::backward(c.backend, activation::silu, z, gate, dz);
    }
    ssd<B>::backward(
        c.backend, *c.batch, sizes, rows(as_const(saved.xbc), u), heads<const S>(w), saved.kept, dy, rows(dxbc, du),
        SsdHeads<S>{gradient<S>(dw.A_log).data(), gradient<S>(dw.D_).data(), gradient<S>(dw.dt_bias).data()},
        dst.heads);
    activate<B>::backward(c.backend, activation::silu, saved.convolved, dxbc, dxbc);
    Conv::backward(c.child(0).overwriting(), w.conv, dw.conv, u.template columns<E, XBC>(), saved.conv, as_const(dxbc),
                   du.template columns<E, XBC>(), dst.conv);
  }

 private:
  static void start_rates(Filling const& f, float* to) {
    f.each(to, [&](int r, int c) { return std::log(1 + 15 * static_cast<double>(f.key.uniform(f.index(r, c)))); });
  }
  template <class S, class W> static SsdHeads<S> heads(W const& w) {
    return {w.A_log.data(), w.D_.data(), w.dt_bias.data()};
  }
  template <class V, class U> static SsdRows<typename V::element> rows(V xbc, U u) {
    return {xbc.template columns<0, E>(), xbc.template columns<E, G * N>(), xbc.template columns<E + G * N, G * N>(),
            u.template columns<E + XBC, H>()};
  }
};

/// Rows of C columns to rows of C. Between: what families put between the first projection and the rest, or nothing.
template <int C, Mamba2Sizes Z, bool Bias = false, class Between = void>
struct Mamba2Mixer : present<At<"in_proj", Linear<C, Z.inner() + Z.convolved() + Z.heads, Bias>>, Between,
                             Mamba2Core<Z>, At<"out_proj", Linear<Z.inner(), C, Bias, residual_normal(0.02F)>>> {};

}  // namespace fauna::inline v0
