// SpeltMla: multi-head latent attention with its keys and values spelt out (DeepSeek-AI 2024, "DeepSeek-V2", equations
// 9 to 19), the same function of the same weights as Mla, whose form is absorbed (blocks/mla.hpp has the legend):
//   x -> [q^n_h | q^r_h]_h, [k^r | (W_uk,h c, W_uv,h c)_h] -> [q^r_h | q^n_h]_h, [k^r | k^n_h]_h, [v_h | 0]_h
//     -> rope -> attention -> [v_h]_h -> W_o
// A pair of rows costs 4 H (P + N) operations where Mla's costs 4 H (P + R), and a row of the cache 2 H (P + N) numbers
// where Mla's has P + R. So this is the form of training and of long prefills, and Mla that of decoding.
#pragma once
#include <fauna/blocks/attention.hpp>
#include <fauna/blocks/columns.hpp>
#include <fauna/blocks/mla.hpp>
#include <fauna/compose/beside.hpp>
#include <fauna/compose/rewrite.hpp>

namespace fauna::inline v0 {

namespace mla_detail {

/// N columns from column `from` on.
template <int N, class T, int C> constexpr View<T, dyn, N> part(View<T, dyn, C> v, int from) {
  return View<T, dyn, N>(v.data() + from, v.rows(), N, v.stride());
}

}  // namespace mla_detail

/// Rows of [[q^n | q^r] for each head | k^r | [k^n | v] for each head] to rows of [q | k | v] with heads of P + N
/// columns, the turned ones first; v is filled up with zeros. No weights.
template <MlaSizes Z>
struct SpeltHeads : Leaf<Z.heads * Z.query() + Z.rope + Z.heads*(Z.nope + Z.value), 3 * Z.heads * Z.query()> {
  static_assert(Z.value <= Z.query(), "fauna: values that are wider than keys have no spelt form");
  static constexpr const char* kind_name = "SpeltHeads";
  static constexpr int size = Z.query(), queries = Z.heads * size, made = Z.nope + Z.value;
  using Rows = Leaf<queries + Z.rope + Z.heads * made, 3 * queries>;

  template <class C, class W, class St, class Sv>
  static void forward(C const& c, W const&, St&, In<C, queries + Z.rope + Z.heads * made> x, Out<C, 3 * queries> y,
                      Sv&) {
    using mla_detail::part;
    using Add = add<typename C::backend_type>;
    for (int h = 0; h < Z.heads; ++h) {
      const int q = h * size, kv = queries + Z.rope + h * made;
      Add::run(c.backend, part<Z.rope>(x, q + Z.nope), {}, part<Z.rope>(y, q));
      Add::run(c.backend, part<Z.nope>(x, q), {}, part<Z.nope>(y, q + Z.rope));
      Add::run(c.backend, part<Z.rope>(x, queries), {}, part<Z.rope>(y, queries + q));
      Add::run(c.backend, part<Z.nope>(x, kv), {}, part<Z.nope>(y, queries + q + Z.rope));
      Add::run(c.backend, part<Z.value>(x, kv + Z.nope), {}, part<Z.value>(y, 2 * queries + q));
      if constexpr (Z.value < size) Add::clear(c.backend, matrix(part<size - Z.value>(y, 2 * queries + q + Z.value)));
    }
  }
  template <class C, class W, class G, class Sv, class St>
  static void backward(C const& c, W const&, G&, In<C, queries + Z.rope + Z.heads * made>, Sv&, In<C, 3 * queries> dy,
                       Out<C, queries + Z.rope + Z.heads * made> dx, St&) {
    using mla_detail::part;
    using Add = add<typename C::backend_type>;
    for (int h = 0; h < Z.heads; ++h) {
      const int q = h * size, kv = queries + Z.rope + h * made;
      Add::run(c.backend, part<Z.rope>(dy, q), {}, part<Z.rope>(dx, q + Z.nope));
      Add::run(c.backend, part<Z.nope>(dy, q + Z.rope), {}, part<Z.nope>(dx, q));
      const auto dk = part<Z.rope>(dx, queries);  // one key for all heads
      Add::run(c.backend, part<Z.rope>(dy, queries + q),
               h > 0 ? as_const(dk) : View<const typename C::scalar, dyn, Z.rope>{}, dk);
      Add::run(c.backend, part<Z.nope>(dy, queries + q + Z.rope), {}, part<Z.nope>(dx, kv));
      Add::run(c.backend, part<Z.value>(dy, 2 * queries + q), {}, part<Z.value>(dx, kv + Z.nope));
    }
  }
};

/// Rows of H heads of P + N columns to their first V ones.
template <MlaSizes Z> struct SpeltValues : Leaf<Z.heads * Z.query(), Z.heads * Z.value> {
  static constexpr const char* kind_name = "SpeltValues";
  static constexpr int size = Z.query();
  using Rows = Leaf<Z.heads * size, Z.heads * Z.value>;

  template <class C, class W, class St, class Sv>
  static void forward(C const& c, W const&, St&, In<C, Z.heads * size> x, Out<C, Z.heads * Z.value> y, Sv&) {
    for (int h = 0; h < Z.heads; ++h)
      add<typename C::backend_type>::run(c.backend, mla_detail::part<Z.value>(x, h * size), {},
                                         mla_detail::part<Z.value>(y, h * Z.value));
  }
  template <class C, class W, class G, class Sv, class St>
  static void backward(C const& c, W const&, G&, In<C, Z.heads * size>, Sv&, In<C, Z.heads * Z.value> dy,
                       Out<C, Z.heads * size> dx, St&) {
    add<typename C::backend_type>::clear(c.backend, matrix(dx));
    for (int h = 0; h < Z.heads; ++h)
      add<typename C::backend_type>::run(c.backend, mla_detail::part<Z.value>(dy, h * Z.value), {},
                                         mla_detail::part<Z.value>(dx, h * size));
  }
};

/// As Mla, of the same files: both read kv_b_proj, which is one tensor here.
template <int Width, MlaSizes Z, RopeShape How = RopeShape{}, Epsilon E = Epsilon{1e-6F}>
struct SpeltMla
    : Seq<Concat<typename mla_detail::queries_<Width, Z, E>::type,
                 Seq<At<"kv_a_proj_with_mqa", Linear<Width, Z.size(), false>>, At<"kv_a_layernorm", LatentKeys<Z, E>>,
                     Beside<Columns<Z.rope, 0, Z.rope>,
                            At<"kv_b_proj", Linear<Z.rank, Z.heads*(Z.nope + Z.value), false>>>>>,
          SpeltHeads<Z>,
          Rope<Z.heads, Z.heads, Z.query(),
               RopeShape{.base = How.base, .rotary = Z.rope, .pairs = How.pairs, .scaling = How.scaling}>,
          AttentionCore<Z.heads, Z.heads, Z.query(), Rate{}, Scores{.scale = Z.scale}>, SpeltValues<Z>,
          At<"o_proj", Linear<Z.heads * Z.value, Width, false>>> {};

template <class B> struct spelt_ {
  static constexpr void form() {}
};
template <int Width, MlaSizes Z, RopeShape How, Epsilon E> struct spelt_<Mla<Width, Z, How, E>> {
  static constexpr auto form() { return std::type_identity<SpeltMla<Width, Z, How, E>>{}; }
};
struct SpellOut {
  static std::string text() { return "spelt_out"; }
  template <class B> static constexpr auto replace() { return spelt_<B>::form(); }
};
/// The model M with each Mla spelt out.
template <class M> using spelt_out = rewrite<M, SpellOut>;

}  // namespace fauna::inline v0
