// Mamba's mixer (Gu and Dao 2023, "Mamba: Linear-time sequence modeling with selective state spaces", section 3.4 and
// figure 3), as mamba_ssm and transformers have it.
//   C  Width of the residual stream     E  Inner, channels of the recurrence     N  States, numbers a channel
//   R  Rank of the step sizes           K  Taps of the convolution
//   [x | z] = u W_inᵀ      x ← silu(conv(x))      [δ' | B | C] = x W_xᵀ      δ = softplus(δ' W_dtᵀ + b_dt)
//   h_t = exp(δ_t A) ∘ h_{t-1} + δ_t x_t B_t,   A = -exp(A_log)      y_t = C_t · h_t + D x_t
//   out = (y silu(z)) W_outᵀ
#pragma once
#include <cmath>
#include <type_traits>
#include <vector>

#include <fauna/blocks/activation.hpp>
#include <fauna/blocks/causal_conv.hpp>
#include <fauna/blocks/linear.hpp>
#include <fauna/compose/at.hpp>
#include <fauna/compose/seq.hpp>
#include <fauna/core/row_states.hpp>
#include <fauna/ops/scan/op.hpp>

namespace fauna::inline v0 {

/// The mixer between its two outer projections: rows of [x | z], 2 E columns, to rows of E. Its state: the
/// convolution's last inputs and, for each sequence, N rows of E numbers. Refine: a block that [δ' | B | C] go through,
/// in place (the norms of FalconMamba and Jamba).
template <int E, int N, int R, int K, class Refine = SameWidth<R + 2 * N>> struct MambaCore : Leaf<2 * E, E> {
  static constexpr const char* kind_name = "MambaCore";
  using Conv = At<"conv1d", CausalConv<E, K>>;
  using Project = At<"x_proj", Linear<E, R + 2 * N, false>>;
  using Steps = At<"dt_proj", Linear<R, E, true>>;
  static constexpr bool refines = !std::is_same_v<Refine, SameWidth<R + 2 * N>>;

  template <class D> struct Weights {
    static constexpr bool ready = prepared<D>;  ///< A_log holds A, [N, E]
    typename Conv::template Weights<D> conv;
    typename Project::template Weights<D> project;
    typename Steps::template Weights<D> steps;
    typename D::template storage<kind::control> A_log;  ///< [E, N]
    typename D::template storage<kind::vector> D_;
    typename Refine::template Weights<D> refine;
  };
  template <class S> struct State {
    typename Conv::template State<S> conv;
    View<S, dyn, E> h;
  };
  template <class S> struct Saved {
    typename Conv::template Saved<S> conv;
    View<S, dyn, E> convolved, x, dt, entering, h;  ///< h: the states after every row
    View<S, dyn, R + 2 * N> projected, raw;         ///< raw: as they were before they were refined
    typename Refine::template Saved<S> refine;
  };

  template <class W, class F> static constexpr void visit(W& w, Place const& at, F&& f) {
    f(Tensor{.field = "A_log",
             .rows = E,
             .cols = N,
             .stored = kind::control,
             .init = log_column(),
             .decays = decay::no,
             .at = at,
             .prepare = to_rates},
      w.A_log);
    f(Tensor{.field = "D", .rows = 1, .cols = E, .stored = kind::vector, .init = ones, .at = at}, w.D_);
    Conv::visit(w.conv, at, f);
    Project::visit(w.project, at, f);
    Steps::visit(w.steps, at, [&f](Tensor t, auto& v) {
      // Step sizes between 1e-3 and 1e-1 at the start (section 3.6 of the paper; the reference's dt_min and dt_max).
      t.init = t.is_vector() ? inverse_softplus(1e-3F, 1e-1F) : uniform(-rank_start, rank_start);
      f(t, v);
    });
    Refine::visit(w.refine, at, f);
  }
  template <class S> static constexpr void plan(Saved<S>& s, Shape const& shape, Arena& a) {
    const int rows = shape.rows();
    Conv::plan(s.conv, shape, a);
    s.convolved = a.take_view<S, dyn, E>(rows);
    s.x = a.take_view<S, dyn, E>(rows);
    s.dt = a.take_view<S, dyn, E>(rows);
    s.entering = a.take_view<S, dyn, E>(shape.sequences * N);
    s.h = a.take_view<S, dyn, E>(rows * N);
    s.projected = a.take_view<S, dyn, R + 2 * N>(rows);
    if constexpr (refines) s.raw = a.take_view<S, dyn, R + 2 * N>(rows);
    Refine::plan(s.refine, shape, a);
  }
  template <class S> static constexpr void plan_state(State<S>& s, Shape const& shape, Arena& a) {
    Conv::plan_state(s.conv, shape, a);
    s.h = a.take_view<S, dyn, E>(shape.sequences * N);
  }
  template <class F, class... St> static constexpr void visit_state(F&& f, St&... s) {
    Conv::visit_state(f, s.conv...);
    f(StatePiece{.rows = N}, s.h...);
  }
  template <class B> static constexpr void plan_scratch(Shape const& shape, Arena& a) {
    using S = typename B::scalar;
    const int rows = shape.rows();
    Scope s(a);
    a.take_view<S, N, E>();
    if (!shape.backward) {
      for (int i = 0; i < 3; ++i) a.take_view<S, dyn, E>(rows);
      a.take_view<S, dyn, R + 2 * N>(rows);
    } else {
      a.take_view<S, N, E>();
      for (int i = 0; i < 2; ++i) a.take_view<S, dyn, E>(rows);
      a.take_view<S, dyn, R + 2 * N>(rows);
      plan_workspace(selective_scan<B>::workspace(rows, E, N), a);
    }
    Conv::template plan_scratch<B>(shape, a);
    Project::template plan_scratch<B>(shape, a);
    Steps::template plan_scratch<B>(shape, a);
    Refine::template plan_scratch<B>(shape, a);
  }
  static constexpr double flops(double context) {
    return Conv::flops(context) + Project::flops(context) + Steps::flops(context) + 9.0 * E * N;
  }

  template <class C, class W, class St, class Sv>
  static void forward(C const& c, W const& w, St& st, In<C, 2 * E> xz, Out<C, E> y, Sv& saved) {
    using S = typename C::scalar;
    using B = typename C::backend_type;
    Scope s(c.scratch());
    const bool keeps = c.keeps();
    const auto room = [&](View<S, dyn, E> kept) {
      return keeps ? kept : c.scratch().template take_view<S, dyn, E>(xz.rows());
    };
    const auto A = rates(c, w);
    const auto convolved = room(saved.convolved), x = room(saved.x), dt = room(saved.dt);
    const auto projected = keeps ? saved.projected : c.scratch().template take_view<S, dyn, R + 2 * N>(xz.rows());
    None none;
    if (keeps) {
      if (st.h) add<B>::run(c.backend, st.h, {}, saved.entering);
      else add<B>::clear(c.backend, saved.entering);
    }
    Conv::forward(c.child(0).overwriting(), w.conv, st.conv, xz.template columns<0, E>(), convolved, saved.conv);
    activate<B>::forward(c.backend, activation::silu, convolved, x);
    const auto raw = refines && keeps ? saved.raw : projected;
    Project::forward(c.child(1).overwriting(), w.project, none, as_const(x), raw, none);
    if constexpr (refines) {
      typename Refine::template State<S> nothing{};
      Refine::forward(c.child(3).overwriting(), w.refine, nothing, as_const(raw), projected, saved.refine);
    }
    Steps::forward(c.child(2).overwriting(), w.steps, none, as_const(projected).template columns<0, R>(), dt, none);
    const auto in = rows(as_const(x), xz, as_const(dt), as_const(projected));
    const auto scan = [backend = c.backend, A, D = w.D_.data()](Batch const& b, ScanRows<const S> const& from,
                                                                Matrix<S> h, Matrix<S> to, Matrix<S> all) {
      selective_scan<B>::forward(backend, b, from, A, D, h, to, all);
    };
    const auto whole = [&](Batch const& b) { scan(b, in, st.h, y, saved.h); };
    if constexpr (W::ready) {  // else A is gone after the call
      // z and C are of what is read from a state, and not of the state.
      const auto fold = [scan](Batch const& b, FactorRow<S> r, Matrix<S> h, Matrix<S> to) {
        scan(b, {r[0], r[0], r[1], r[2], r[2]}, h, to, {});
      };
      by_row(*c.batch, whole, StatePart{st.h, N}, factors<S>(fold, E, in.x, in.dt, in.b));
    } else {
      by_row(*c.batch, whole, StatePart{st.h, N});
    }
  }

  template <class C, class W, class G, class Sv, class St>
  static void backward(C const& c, W const& w, G& dw, In<C, 2 * E> xz, Sv& saved, In<C, E> dy, Out<C, 2 * E> dxz,
                       St& dst) {
    using S = typename C::scalar;
    using B = typename C::backend_type;
    Scope s(c.scratch());
    const auto A = rates(c, w);
    const auto dA = c.scratch().template take_view<S, N, E>();
    const auto dx = c.scratch().template take_view<S, dyn, E>(xz.rows()),
               ddt = c.scratch().template take_view<S, dyn, E>(xz.rows());
    const auto dp = c.scratch().template take_view<S, dyn, R + 2 * N>(xz.rows());
    const auto g = gradient<S>(dw.A_log);
    if (g) add<B>::clear(c.backend, dA);
    selective_scan<B>::backward(c.backend, *c.batch,
                                rows(as_const(saved.x), xz, as_const(saved.dt), as_const(saved.projected)), A,
                                w.D_.data(), saved.entering, saved.h, dy, rows(dx, dxz, ddt, dp),
                                g ? Matrix<S>(dA) : Matrix<S>(), gradient<S>(dw.D_).data(), dst.h);
    if (g) selective_scan<B>::rates_backward(c.backend, A, dA, g);
    None none;
    Steps::backward(c.child(2).overwriting(), w.steps, dw.steps, as_const(saved.projected).template columns<0, R>(),
                    none, as_const(ddt), dp.template columns<0, R>(), none);
    if constexpr (refines) {
      typename Refine::template State<S> nothing{};
      Refine::backward(c.child(3).overwriting(), w.refine, dw.refine, as_const(saved.raw), saved.refine, as_const(dp),
                       dp, nothing);
    }
    Project::backward(c.child(1).onto(dx), w.project, dw.project, as_const(saved.x), none, as_const(dp), dx, none);
    activate<B>::backward(c.backend, activation::silu, saved.convolved, dx, dx);
    Conv::backward(c.child(0).overwriting(), w.conv, dw.conv, xz.template columns<0, E>(), saved.conv, as_const(dx),
                   dxz.template columns<0, E>(), dst.conv);
  }

 private:
  /// 1 / √R
  static constexpr float rank_start = 1 / square_root(static_cast<float>(R));
  static void to_rates(Tensor const&, float* values) {
    std::vector<float> A(static_cast<std::size_t>(E) * N);
    for (int e = 0; e < E; ++e)
      for (int n = 0; n < N; ++n) A[static_cast<std::size_t>(n * E + e)] = -std::exp(values[e * N + n]);
    for (std::size_t i = 0; i < A.size(); ++i) values[i] = A[i];
  }
  template <class C, class W> static View<const typename C::scalar, N, E> rates(C const& c, W const& w) {
    using S = typename C::scalar;
    if constexpr (W::ready) {
      return View<const S, N, E>(w.A_log.data());
    } else {
      const auto A = c.scratch().template take_view<S, N, E>();
      selective_scan<typename C::backend_type>::rates(c.backend, reading(w.A_log), A);
      return A;
    }
  }
  template <class V, class XZ, class P>
  static constexpr ScanRows<typename V::element> rows(V x, XZ xz, V dt, P projected) {
    return {x, xz.template columns<E, E>(), dt, projected.template columns<R, N>(),
            projected.template columns<R + N, N>()};
  }
};

/// Rows of C columns to rows of C, by E channels of N states each. Checkpoints hold the matrices as [out, in]; A_log, D
/// and the convolution stand beside them under their own names.
template <int C, int E, int N, int R, int K, bool Bias = false, class Refine = SameWidth<R + 2 * N>>
struct MambaMixer : Seq<At<"in_proj", Linear<C, 2 * E, Bias>>, MambaCore<E, N, R, K, Refine>,
                        At<"out_proj", Linear<E, C, Bias, residual_normal(0.02F)>>> {};

}  // namespace fauna::inline v0
