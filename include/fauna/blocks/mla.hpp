// Mla: multi-head latent attention (DeepSeek-AI 2024, "DeepSeek-V2", section 2.1). Keys and values of all H heads are
// made of one latent row c, so that a cache holds c and one rotated key instead of them:
//   c = norm(x W_dkv)   k^r = rope(x W_kr)   k_h = [W_uk,h c ; k^r]   v_h = W_uv,h c
//   q_h = [q^n_h ; rope(q^r_h)] of x W_q, or of norm(x W_dq) W_uq     y = [attention(q_h, k, v)]_h W_o
// Here W_uk and W_uv are absorbed: with q̃_h = W_uk,hᵀ q^n_h, a score is q̃_h · c + q^r_h · k^r, and the weighted sum of
// values is W_uv,h of the weighted sum of latents. That is multi-query attention with one key head of R + P columns,
// [k^r | c], whose latent columns are the values as well:
//   x -> [q^r_h | q̃_h]_h, [k^r | c] -> rope -> Σ_j p_j [k^r | c]_j -> [W_uv,h of the latent columns]_h -> W_o
//   H heads, R = rank of c, P = rotated columns, N = columns of q^n, V = columns of v
#pragma once
#include <fauna/blocks/linear.hpp>
#include <fauna/blocks/norm.hpp>
#include <fauna/blocks/rope.hpp>
#include <fauna/compose/at.hpp>
#include <fauna/compose/concat.hpp>
#include <fauna/compose/present.hpp>
#include <fauna/ops/attention/op.hpp>

namespace fauna::inline v0 {

struct MlaSizes {
  int heads = 16;
  int query_rank = 0;  ///< of the latent that queries are made of; 0: they are made of the row itself
  int rank = 512;      ///< of the latent that keys and values are made of
  int nope = 128, rope = 64, value = 128;  ///< columns of a head's query without and with positions, and of its value
  double scale = 0;                        ///< of scores; 0: 1 / √(nope + rope)
  bool turned = true;                      ///< else no column knows positions (Kimi Linear)
  constexpr bool operator==(MlaSizes const&) const = default;
  constexpr int size() const { return rope + rank; }   ///< columns of a cached row
  constexpr int query() const { return nope + rope; }  ///< columns of a head's query
};

namespace mla_detail {

/// Of W_kvb [H][N + V][R], as files have it: W_uk,h transposed, [R, N], or W_uv,h, [V, R].
template <MlaSizes Z, bool Keys> std::vector<Piece> part_of_kv_b(Tensor const& t) {
  constexpr std::ptrdiff_t head = static_cast<std::ptrdiff_t>(Z.nope + Z.value) * Z.rank;
  const Path* const here = t.at.path;  // NAME.keys.3
  Piece p;
  p.name = here->parent->parent->str() + ".weight";
  p.shape = FileShape(Z.heads * (Z.nope + Z.value), Z.rank);
  p.rows = t.rows;
  p.offset = here->index * head + (Keys ? 0 : static_cast<std::ptrdiff_t>(Z.nope) * Z.rank);
  p.col_stride = Keys ? Z.rank : 1;
  p.digits[2] = {t.rows, Keys ? 1 : Z.rank};
  return {p};
}

/// H matrices, each of its head.
template <MlaSizes Z, bool Keys> struct HeadMatrices {
  static constexpr int rows = Keys ? Z.rank : Z.value, cols = Keys ? Z.nope : Z.rank;
  template <class D> struct Weights { typename D::template storage<kind::matrix> of[Z.heads]; };
  template <class W, class F> static constexpr void visit(W& w, Place const& at, F&& f) {
    const Path all{at.path, Keys ? "keys" : "values", -1};
    for (int h = 0; h < Z.heads; ++h) {
      const Path here{&all, nullptr, h};
      f(Tensor{.field = "weight",
               .rows = rows,
               .cols = cols,
               .init = normal(0.02F),
               .at = {&here, at.layer, at.layers},
               .pieces = part_of_kv_b<Z, Keys>},
        w.of[h]);
    }
  }
  template <class B> static constexpr void plan_scratch(Shape const& s, Arena& a) {
    plan_workspace(gemm<B>::workspace(s.rows(), rows, cols, s.threads), a);
    if (!s.backward) return;
    plan_workspace(gemm<B>::workspace(s.rows(), cols, rows, s.threads), a);
    plan_workspace(gemm<B>::workspace(rows, cols, s.rows(), s.threads), a);
  }
  /// y_h = x_h W_hᵀ; x_h and y_h stand `step` columns apart, the first at x and y.
  template <class C, class W, class T, class U>
  static void forward(C const& c, W const& w, View<T, dyn, cols> x, int x_step, View<U, dyn, rows> y, int y_step) {
    for (int h = 0; h < Z.heads; ++h)
      gemm<typename C::backend_type>::nt(c.backend, reading(head(x, x_step, h)), reading(w.of[h]),
                                         matrix(head(y, y_step, h)), {});
  }
  template <class C, class W, class G, class T, class U, class V>
  static void backward(C const& c, W const& w, G& dw, View<T, dyn, cols> x, int x_step, View<U, dyn, rows> dy,
                       int dy_step, View<V, dyn, cols> dx, int dx_step) {
    using S = typename C::scalar;
    using Gemm = gemm<typename C::backend_type>;
    for (int h = 0; h < Z.heads; ++h) {
      if (const auto g = gradient<S>(dw.of[h]))
        Gemm::tn(c.backend, reading(head(dy, dy_step, h)), reading(head(x, x_step, h)), matrix(g),
                 {.base = g.data(), .base_stride = g.stride()});
      Gemm::nn(c.backend, reading(head(dy, dy_step, h)), reading(w.of[h]), matrix(head(dx, dx_step, h)), {});
    }
  }
  template <class T, int N> static constexpr View<T, dyn, N> head(View<T, dyn, N> v, int step, int h) {
    return View<T, dyn, N>(v.data() + h * step, v.rows(), N, v.stride());
  }
};

}  // namespace mla_detail

/// Rows of [q^n | q^r] for each head to rows of [q^r | q̃] for each head.
template <MlaSizes Z> struct LatentQueries : Leaf<Z.heads * Z.query(), Z.heads * Z.size()> {
  static constexpr const char* kind_name = "LatentQueries";
  using Keys = mla_detail::HeadMatrices<Z, true>;
  using Rows = Leaf<Z.heads * Z.query(), Z.heads * Z.size()>;
  template <class D> using Weights = typename Keys::template Weights<D>;
  template <class W, class F> static constexpr void visit(W& w, Place const& at, F&& f) { Keys::visit(w, at, f); }
  template <class B> static constexpr void plan_scratch(Shape const& s, Arena& a) {
    Keys::template plan_scratch<B>(s, a);
  }
  static constexpr double flops(double) { return 2.0 * Z.heads * Z.nope * Z.rank; }

  template <class C, class W, class St, class Sv>
  static void forward(C const& c, W const& w, St&, In<C, Z.heads * Z.query()> x, Out<C, Z.heads * Z.size()> y, Sv&) {
    move_rotated(c, x.template columns<Z.nope, Z.rope>(), Z.query(), y.template columns<0, Z.rope>(), Z.size());
    Keys::forward(c, w, x.template columns<0, Z.nope>(), Z.query(), y.template columns<Z.rope, Z.rank>(), Z.size());
  }
  template <class C, class W, class G, class Sv, class St>
  static void backward(C const& c, W const& w, G& dw, In<C, Z.heads * Z.query()> x, Sv&, In<C, Z.heads * Z.size()> dy,
                       Out<C, Z.heads * Z.query()> dx, St&) {
    move_rotated(c, dy.template columns<0, Z.rope>(), Z.size(), dx.template columns<Z.nope, Z.rope>(), Z.query());
    Keys::backward(c, w, dw, x.template columns<0, Z.nope>(), Z.query(), dy.template columns<Z.rope, Z.rank>(),
                   Z.size(), dx.template columns<0, Z.nope>(), Z.query());
  }

 private:
  template <class C, class From, class To>
  static void move_rotated(C const& c, From from, int from_step, To to, int to_step) {
    for (int h = 0; h < Z.heads; ++h)
      add<typename C::backend_type>::run(c.backend, Keys::head(from, from_step, h), {}, Keys::head(to, to_step, h));
  }
};

/// Rows of [c before its norm | k^r] to rows of [k^r | c].
template <MlaSizes Z, Epsilon E> struct LatentKeys : Leaf<Z.size(), Z.size()> {
  static constexpr const char* kind_name = "LatentKeys";
  using Norm = RmsNorm<Z.rank, E>;
  using Rows = Leaf<Z.size(), Z.size()>;
  template <class D> using Weights = typename Norm::template Weights<D>;
  template <class S> struct Saved { typename Norm::template Saved<S> norm; };
  template <class W, class F> static constexpr void visit(W& w, Place const& at, F&& f) { Norm::visit(w, at, f); }
  template <class S> static constexpr void plan(Saved<S>& s, Shape const& shape, Arena& a) {
    Norm::plan(s.norm, shape, a);
  }
  template <class B> static constexpr void plan_scratch(Shape const& s, Arena& a) {
    Norm::template plan_scratch<B>(s, a);
  }

  template <class C, class W, class St, class Sv>
  static void forward(C const& c, W const& w, St&, In<C, Z.size()> x, Out<C, Z.size()> y, Sv& saved) {
    None none;
    Norm::forward(c.overwriting(), w, none, x.template columns<0, Z.rank>(), y.template columns<Z.rope, Z.rank>(),
                  saved.norm);
    add<typename C::backend_type>::run(c.backend, x.template columns<Z.rank, Z.rope>(), {},
                                       y.template columns<0, Z.rope>());
  }
  template <class C, class W, class G, class Sv, class St>
  static void backward(C const& c, W const& w, G& dw, In<C, Z.size()> x, Sv& saved, In<C, Z.size()> dy,
                       Out<C, Z.size()> dx, St&) {
    None none;
    Norm::backward(c.overwriting(), w, dw, x.template columns<0, Z.rank>(), saved.norm,
                   dy.template columns<Z.rope, Z.rank>(), dx.template columns<0, Z.rank>(), none);
    add<typename C::backend_type>::run(c.backend, dy.template columns<0, Z.rope>(), {},
                                       dx.template columns<Z.rank, Z.rope>());
  }
};

/// Rows of H queries and one key, each of Z.size() columns, to H sums of keys. Its state is the cache: a key a row.
template <MlaSizes Z> struct LatentAttention : Leaf<(Z.heads + 1) * Z.size(), Z.heads * Z.size()> {
  static constexpr const char* kind_name = "LatentAttention";
  static constexpr int size = Z.size(), queries = Z.heads * size;
  template <class S> struct Saved {
    View<S, dyn, Z.heads> lse;
    View<const S, dyn, queries> y;  ///< the output, kept by whoever owns it
  };
  template <class S> struct State {
    View<S, dyn, size> keys;  ///< [sequence][capacity]
    int capacity = 0;
  };
  template <class S> static constexpr void plan(Saved<S>& s, Shape const& shape, Arena& a) {
    s.lse = a.take_view<S, dyn, Z.heads>(shape.rows());
  }
  template <class S> static constexpr void plan_state(State<S>& s, Shape const& shape, Arena& a) {
    s.capacity = shape.context;
    s.keys = a.take_view<S, dyn, size>(shape.sequences * shape.context);
  }
  template <class F, class... St> static constexpr void visit_state(F&& f, St&... s) {
    f(StatePiece{.rows = 1, .grows = true}, s.keys...);
  }
  template <class B> static constexpr void plan_scratch(Shape const& s, Arena& a) {
    Scope scope(a);
    if (s.backward) a.take_view<typename B::scalar, dyn, size>(s.rows());
    plan_workspace(attention<B>::template workspace<size>(s.sequences, s.longest(), how(), s.threads), a);
  }
  static constexpr double flops(double context) { return 2.0 * Z.heads * (size + Z.rank) * context; }

  using Rows = Leaf<queries + size, queries>;

  template <class C, class W, class St, class Sv>
  static void forward(C const& c, W const&, St& state, In<C, queries + size> x, Out<C, queries> y, Sv& saved) {
    using S = typename C::scalar;
    auto a = how();
    if (state.capacity > 0 && !c.keeps()) {
      remember(c, state, x);
      a.capacity = state.capacity;
      const Heads<const S> keys{state.keys.data(), size, state.capacity * size};
      attention<typename C::backend_type>::template forward<size>(c.backend, *c.batch, a, heads(q(x)), keys, keys,
                                                                  heads(y), nullptr);
      return;
    }
    attention<typename C::backend_type>::template forward<size>(c.backend, *c.batch, a, heads(q(x)), heads(k(x)),
                                                                heads(k(x)), heads(y), saved.lse.data());
    saved.y = y;
  }
  template <class C, class W, class G, class Sv, class St>
  static void backward(C const& c, W const&, G&, In<C, queries + size> x, Sv& saved, In<C, queries> dy,
                       Out<C, queries + size> dx, St&) {
    Scope scope(c.scratch());
    const auto dv = c.scratch().template take_view<typename C::scalar, dyn, size>(x.rows());
    attention<typename C::backend_type>::template backward<size>(c.backend, *c.batch, how(), heads(q(x)), heads(k(x)),
                                                                 heads(k(x)), heads(saved.y), saved.lse.data(),
                                                                 heads(dy), heads(q(dx)), heads(k(dx)), heads(dv));
    add<typename C::backend_type>::run(c.backend, as_const(k(dx)), as_const(dv), k(dx));
  }

 private:
  static constexpr AttentionShape how() {
    constexpr double scale = Z.scale > 0 ? Z.scale : 1 / square_root(static_cast<double>(Z.query()));
    return {.heads = Z.heads, .kv_heads = 1, .scale = scale};
  }
  template <class V> static constexpr auto q(V x) { return x.template columns<0, queries>(); }
  template <class V> static constexpr auto k(V x) { return x.template columns<queries, size>(); }
  template <class V> static constexpr auto heads(V x) { return Heads<typename V::element>{x.data(), x.stride(), size}; }
  template <class C, class St> static void remember(C const& c, St& state, In<C, queries + size> x) {
    Batch const& b = *c.batch;
    for (int s = 0; s < b.sequences; ++s) {
      const int rows = b.last(s) - b.first(s);
      if (b.before(s) + rows > state.capacity)
        fail(c.path.str(), std::to_string(b.before(s) + rows) + " rows of sequence " + std::to_string(s),
             "at most the " + std::to_string(state.capacity) + " that the cache was planned for");
      add<typename C::backend_type>::run(c.backend, k(x).middle_rows(b.first(s), rows), {},
                                         state.keys.middle_rows(s * state.capacity + b.before(s), rows));
    }
  }
};

/// Rows of a sum of keys [k^r | c] for each head to rows of values.
template <MlaSizes Z> struct LatentValues : Leaf<Z.heads * Z.size(), Z.heads * Z.value> {
  static constexpr const char* kind_name = "LatentValues";
  using Values = mla_detail::HeadMatrices<Z, false>;
  using Rows = Leaf<Z.heads * Z.size(), Z.heads * Z.value>;
  template <class D> using Weights = typename Values::template Weights<D>;
  template <class W, class F> static constexpr void visit(W& w, Place const& at, F&& f) { Values::visit(w, at, f); }
  template <class B> static constexpr void plan_scratch(Shape const& s, Arena& a) {
    Values::template plan_scratch<B>(s, a);
  }
  static constexpr double flops(double) { return 2.0 * Z.heads * Z.value * Z.rank; }

  template <class C, class W, class St, class Sv>
  static void forward(C const& c, W const& w, St&, In<C, Z.heads * Z.size()> x, Out<C, Z.heads * Z.value> y, Sv&) {
    Values::forward(c, w, x.template columns<Z.rope, Z.rank>(), Z.size(), y.template columns<0, Z.value>(), Z.value);
  }
  template <class C, class W, class G, class Sv, class St>
  static void backward(C const& c, W const& w, G& dw, In<C, Z.heads * Z.size()> x, Sv&, In<C, Z.heads * Z.value> dy,
                       Out<C, Z.heads * Z.size()> dx, St&) {
    add<typename C::backend_type>::clear(c.backend, matrix(dx));  // what is summed of k^r goes nowhere
    Values::backward(c, w, dw, x.template columns<Z.rope, Z.rank>(), Z.size(), dy.template columns<0, Z.value>(),
                     Z.value, dx.template columns<Z.rope, Z.rank>(), Z.size());
  }
};

namespace mla_detail {

template <int Width, MlaSizes Z, Epsilon E> struct queries_ {
  using type = Seq<At<"q_a_proj", Linear<Width, Z.query_rank, false>>, At<"q_a_layernorm", RmsNorm<Z.query_rank, E>>,
                   At<"q_b_proj", Linear<Z.query_rank, Z.heads * Z.query(), false>>>;
};
template <int Width, MlaSizes Z, Epsilon E>
requires(Z.query_rank == 0) struct queries_<Width, Z, E> {
  using type = At<"q_proj", Linear<Width, Z.heads * Z.query(), false>>;
};

}  // namespace mla_detail

/// Rows of Width columns to the same, in DeepSeek's names. How.rotary is not read: Z.rope columns turn.
template <int Width, MlaSizes Z, RopeShape How = RopeShape{}, Epsilon E = Epsilon{1e-6F}>
struct Mla
    : present<
          Concat<Seq<typename mla_detail::queries_<Width, Z, E>::type, At<"kv_b_proj", LatentQueries<Z>>>,
                 Seq<At<"kv_a_proj_with_mqa", Linear<Width, Z.size(), false>>, At<"kv_a_layernorm", LatentKeys<Z, E>>>>,
          std::conditional_t<
              Z.turned,
              Rope<Z.heads + 1, 0, Z.size(),
                   RopeShape{.base = How.base, .rotary = Z.rope, .pairs = How.pairs, .scaling = How.scaling}>,
              void>,
          LatentAttention<Z>, At<"kv_b_proj", LatentValues<Z>>, At<"o_proj", Linear<Z.heads * Z.value, Width, false>>> {
};

}  // namespace fauna::inline v0
