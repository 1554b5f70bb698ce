// The recurrent block of Griffin (De et al. 2024, "Griffin: Mixing gated linear recurrences with local attention for
// efficient language models", sections 2.3 and 2.4), as transformers' RecurrentGemma has it.
//   C  Width     E  Channels of the recurrence, in H heads of E / H     T  Taps of the convolution
//   y = gelu(x W_yᵀ + b_y)      u = conv(x W_xᵀ + b_x)
//   i_h = u_h W_ih + b_ih      r_h = u_h W_rh + b_rh      for each head: the matrices are block-diagonal
//   h = the recurrence of u, i, r and Λ (ops/rg_lru/op.hpp)      out = (y ∘ h) W_outᵀ + b_out
#pragma once
#include <cmath>

#include <fauna/blocks/gated.hpp>
#include <fauna/blocks/mamba.hpp>
#include <fauna/compose/concat.hpp>
#include <fauna/core/row_states.hpp>
#include <fauna/ops/rg_lru/op.hpp>

namespace fauna::inline v0 {

/// Rows of E columns to rows of E. Checkpoints have a gate's blocks as [H, in, out]; here a head's rows are out, as of
/// any other product. Its state: a number a channel.
template <int E, int Heads> struct RgLru : SameWidth<E> {
  static constexpr const char* kind_name = "RgLru";
  static constexpr int N = E / Heads;
  using fault = std::conditional_t<E % Heads == 0, void, heads_do_not_divide_width<RgLru, Heads, E>>;

  template <class D> struct Weights {
    typename D::template storage<kind::vector> lambda;
    typename D::template storage<kind::control> input, recurrent;  ///< [E, N]: row h N + o is output o of head h
    typename D::template storage<kind::vector> input_bias, recurrent_bias;
  };
  template <class S> struct State { View<S, dyn, E> h; };
  template <class S> struct Saved { View<S, dyn, E> i, r, h, entering; };

  template <class W, class F> static constexpr void visit(W& w, Place const& at, F&& f) {
    Tensor vector{.field = "recurrent_param",
                  .rows = 1,
                  .cols = E,
                  .stored = kind::vector,
                  .decays = decay::no,
                  .at = at,
                  .draw_rows = start_rates};
    f(vector, w.lambda);
    vector.draw_rows = nullptr;
    vector.file = {Heads, N};
    const float deviation = 1 / square_root(static_cast<float>(N));
    Tensor matrix{.field = "input_gate_weight",
                  .rows = E,
                  .cols = N,
                  .stored = kind::control,
                  .init = normal(deviation),
                  .file = {Heads, N, N},
                  .decays = decay::yes,
                  .at = at,
                  .pieces = transposed_heads};
    f(matrix, w.input);
    vector.field = "input_gate_bias";
    f(vector, w.input_bias);
    matrix.field = "recurrent_gate_weight";
    f(matrix, w.recurrent);
    vector.field = "recurrent_gate_bias";
    f(vector, w.recurrent_bias);
  }
  template <class S> static constexpr void plan(Saved<S>& s, Shape const& shape, Arena& a) {
    for (auto* v : {&s.i, &s.r, &s.h}) *v = a.take_view<S, dyn, E>(shape.rows());
    s.entering = a.take_view<S, dyn, E>(shape.sequences);
  }
  template <class S> static constexpr void plan_state(State<S>& s, Shape const& shape, Arena& a) {
    s.h = a.take_view<S, dyn, E>(shape.sequences);
  }
  template <class F, class... St> static constexpr void visit_state(F&& f, St&... s) { f(StatePiece{}, s.h...); }
  template <class B> static constexpr void plan_scratch(Shape const& shape, Arena& a) {
    using S = typename B::scalar;
    const int rows = shape.rows();
    Scope s(a);
    for (int i = 0; i < 2; ++i) a.take_view<S, dyn, E>(rows);
    plan_workspace(gemm<B>::workspace(rows, N, N, shape.threads), a);
    if (!shape.backward) return;
    plan_workspace(gemm<B>::workspace(N, N, rows, shape.threads), a);
    plan_workspace(rg_lru<B>::workspace(rows, E), a);
  }
  static constexpr double flops(double) { return 4.0 * E * N + 15.0 * E; }

  template <class C, class W, class St, class Sv>
  static void forward(C const& c, W const& w, St& st, In<C, E> x, Out<C, E> y, Sv& saved) {
    using S = typename C::scalar;
    using B = typename C::backend_type;
    Scope s(c.scratch());
    const auto room = [&](View<S, dyn, E> kept) {
      return c.keeps() ? kept : c.scratch().template take_view<S, dyn, E>(x.rows());
    };
    const auto i = room(saved.i), r = room(saved.r);
    if (c.keeps()) {
      if (st.h) add<B>::run(c.backend, st.h, {}, saved.entering);
      else add<B>::clear(c.backend, saved.entering);
    }
    gate(c, w.input, w.input_bias, x, i);
    gate(c, w.recurrent, w.recurrent_bias, x, r);
    by_row(
        *c.batch,
        [&](Batch const& b) {
          rg_lru<B>::forward(c.backend, b, {x, i, r}, w.lambda.data(), st.h, y);
        },
        StatePart{st.h});
    if (c.keeps()) add<B>::run(c.backend, y, {}, saved.h);
  }
  template <class C, class W, class G, class Sv, class St>
  static void backward(C const& c, W const& w, G& dw, In<C, E> x, Sv& saved, In<C, E> dy, Out<C, E> dx, St& dst) {
    using S = typename C::scalar;
    using B = typename C::backend_type;
    Scope s(c.scratch());
    const auto di = c.scratch().template take_view<S, dyn, E>(x.rows()),
               dr = c.scratch().template take_view<S, dyn, E>(x.rows());
    rg_lru<B>::backward(c.backend, *c.batch, {x, saved.i, saved.r}, w.lambda.data(), saved.entering, saved.h, dy,
                        {dx, di, dr}, gradient<S>(dw.lambda).data(), dst.h);
    gate_back(c, w.input, dw.input, dw.input_bias, x, as_const(di), dx);
    gate_back(c, w.recurrent, dw.recurrent, dw.recurrent_bias, x, as_const(dr), dx);
  }

 private:
  /// Head h of rows of E columns, or of a tensor's rows.
  template <class V> static constexpr auto head(V v, int h) {
    return Matrix<typename V::element>(v.data() + h * N, v.rows(), N, v.stride());
  }
  template <class M> static constexpr auto block(M m, int h) { return m.middle_rows(h * N, N); }

  template <class C, class Wt, class Bs, class V, class O>
  static void gate(C const& c, Wt const& weight, Bs const& bias, V x, O y) {
    using S = typename C::scalar;
    for (int h = 0; h < Heads; ++h) {
      Epilogue<S> e;
      e.bias = bias.data() + h * N;
      gemm<typename C::backend_type>::nt(c.backend, head(x, h), block(reading(weight), h), head(y, h), e);
    }
  }
  /// dx += dy W, dW += dyᵀ x, db += Σ dy.
  template <class C, class Wt, class Gw, class Gb, class V, class D, class DX>
  static void gate_back(C const& c, Wt const& weight, Gw& dweight, Gb& dbias, V x, D dy, DX dx) {
    using S = typename C::scalar;
    using B = typename C::backend_type;
    const auto g = gradient<S>(dweight);
    for (int h = 0; h < Heads; ++h) {
      Epilogue<S> e;
      const auto to = head(dx, h);
      e.base = to.data();
      e.base_stride = to.stride();
      gemm<B>::nn(c.backend, head(dy, h), block(reading(weight), h), to, e);
      if (!g) continue;
      const auto part = block(g, h);
      e.base = part.data();
      e.base_stride = part.stride();
      gemm<B>::tn(c.backend, head(dy, h), head(x, h), part, e);
    }
    if (const auto b = gradient<S>(dbias)) add<B>::column_sums(c.backend, dy, b.data());
  }

  /// Row h N + o of the tensor is column o of a file's block h.
  static std::vector<Piece> transposed_heads(Tensor const& t) {
    Piece p{.name = t.name(), .shape = {Heads, N, N}, .first = 0, .rows = E, .col_stride = N};
    p.digits[1] = {Heads, N * N};
    p.digits[2] = {N, 1};
    return {p};
  }
  /// Decays between 0.9 and 0.999 where σ(r) = 1, so that their squares are uniform (appendix A of the paper).
  static void start_rates(Filling const& f, float* to) {
    f.each(to, [&](int r, int c) {
      const double square = 0.81 + (0.998001 - 0.81) * static_cast<double>(f.key.uniform(f.index(r, c)));
      return std::log(std::expm1(-std::log(square) / 16));
    });
  }
};

/// Rows of Width columns to rows of Width, by E channels. Its state: the convolution's last inputs and a number a
/// channel.
template <int Width, int E, int Heads, int Taps = 4>
struct GriffinRecurrent
    : Seq<Concat<
              At<"linear_y", Linear<Width, E>>,
              Seq<At<"linear_x", Linear<Width, E>>, At<"conv_1d", CausalConv<E, Taps>>, At<"rg_lru", RgLru<E, Heads>>>>,
          Gated<activation::gelu_tanh, E>, At<"linear_out", Linear<E, Width, true, residual_normal(0.02F)>>> {};

}  // namespace fauna::inline v0
