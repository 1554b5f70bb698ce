// Token shift (Peng et al. 2023, "RWKV: Reinventing RNNs for the Transformer era", section 3.1): a row mixed with the
// one before it, in one way or several (ops/token_shift/op.hpp).
#pragma once
#include <cmath>

#include <fauna/core/block.hpp>
#include <fauna/core/pieces.hpp>
#include <fauna/core/row_states.hpp>
#include <fauna/ops/add/op.hpp>
#include <fauna/ops/token_shift/op.hpp>

namespace fauna::inline v0 {

/// One of the mixes: its name in files, and where its μ starts in layer l of L, column c of C:
///   1 - (c / C)^(power · (1 - l / L)^order) - late · l / (L - 1)
/// Where files have what is left of the row itself (ops/token_shift/op.hpp), it is 1 minus that.
struct Mix {
  label name;
  float power = 1;
  int order = 1;
  float late = 0;
  weighs what = weighs::before;  ///< the same for all mixes of a block
};

/// Initial values of mixes.
template <int Width, int Layers, Mix... Mixes> void start_mixes(Filling const& f, float* to) {
  constexpr Mix all[] = {Mixes...};
  const double depth = 1 - static_cast<double>(f.layer) / Layers, late = Layers > 1 ? f.layer / (Layers - 1.0) : 0;
  f.each(to, [&](int i, int c) {
    const double power = static_cast<double>(all[i].power) * std::pow(depth, all[i].order);
    const double own = std::pow(static_cast<double>(c) / Width, power) + static_cast<double>(all[i].late) * late;
    return all[i].what == weighs::row ? own : 1 - own;
  });
}
/// The mixes of a block as one tensor each, [1, 1, Width].
template <int Width, Mix... Mixes> std::vector<Piece> mixes_apart(Tensor const& t) {
  const std::string path = t.at.path ? t.at.path->str() + '.' : "";
  std::vector<Piece> all;
  for (auto const& mix : {Mixes...})
    all.push_back(
        {.name = path + mix.name.c, .shape = {1, 1, Width}, .first = static_cast<int>(all.size()), .rows = 1});
  return all;
}

/// Rows of Width columns to as many times Width as there are mixes, side by side. The mixes' μ are one tensor, Name,
/// [mixes, Width], and in checkpoints one each, [1, 1, Width]. Its state: the last row of the input.
template <label Name, int Width, int Layers, Mix... Mixes>
struct TokenShift : Leaf<Width, static_cast<int>(sizeof...(Mixes)) * Width> {
  static constexpr const char* kind_name = "TokenShift";
  static constexpr int mixes = static_cast<int>(sizeof...(Mixes));
  static constexpr label name = Name;

  template <class D> struct Weights { typename D::template storage<kind::vector> mu; };
  template <class S> struct State { View<S, dyn, Width> last; };
  template <class S> struct Saved { View<S, dyn, Width> entering; };
  template <class W, class F> static constexpr void visit(W& w, Place const& at, F&& f) {
    f(Tensor{.field = name.c,
             .rows = mixes,
             .cols = Width,
             .stored = kind::vector,
             .file = {mixes, 1, Width},
             .decays = decay::no,
             .at = at,
             .draw_rows = start_mixes<Width, Layers, Mixes...>,
             .pieces = mixes > 1 ? mixes_apart<Width, Mixes...> : nullptr},
      w.mu);
  }
  template <class S> static constexpr void plan(Saved<S>& s, Shape const& shape, Arena& a) {
    s.entering = a.take_view<S, dyn, Width>(shape.sequences);
  }
  template <class S> static constexpr void plan_state(State<S>& s, Shape const& shape, Arena& a) {
    s.last = a.take_view<S, dyn, Width>(shape.sequences);
  }
  template <class F, class... St> static constexpr void visit_state(F&& f, St&... s) { f(StatePiece{}, s.last...); }
  static constexpr double flops(double) { return (1.0 + 2 * mixes) * Width; }

  template <class C, class W, class St, class Sv>
  static void forward(C const& c, W const& w, St& st, In<C, Width> x, Out<C, mixes * Width> y, Sv& saved) {
    using B = typename C::backend_type;
    if (c.keeps()) {
      if (st.last) add<B>::run(c.backend, st.last, {}, saved.entering);
      else add<B>::clear(c.backend, saved.entering);
    }
    by_row(
        *c.batch, [&](Batch const& b) { token_shift<B>::forward(c.backend, b, x, reading(w.mu), st.last, y, what); },
        StatePart{st.last});
  }
  template <class C, class W, class G, class Sv, class St>
  static void backward(C const& c, W const& w, G& dw, In<C, Width> x, Sv& saved, In<C, mixes * Width> dy,
                       Out<C, Width> dx, St& dst) {
    token_shift<typename C::backend_type>::backward(c.backend, *c.batch, x, saved.entering, reading(w.mu), dy, dx,
                                                    gradient<typename C::scalar>(dw.mu), dst.last, what);
  }

 private:
  static constexpr weighs what = (Mixes, ...).what;
};

}  // namespace fauna::inline v0
