// CausalAttention: multi-head self-attention of GPT-2 (Vaswani et al. 2017; Radford et al. 2019).
//   q, k, v = x W_qkvᵀ split in three; heads of Width / Heads columns; y = attention(q, k, v) W_projᵀ
#pragma once
#include <fauna/blocks/dropout.hpp>
#include <fauna/blocks/linear.hpp>
#include <fauna/compose/at.hpp>
#include <fauna/compose/seq.hpp>
#include <fauna/compose/stored_as.hpp>
#include <fauna/ops/add/op.hpp>
#include <fauna/ops/attention/op.hpp>

namespace fauna::inline v0 {

/// What becomes of queries times keys before the softmax, as a template argument: scale, then alibi, then cap.
struct Scores {
  double scale = 0;  ///< 0: 1 / √head size
  float cap = 0;     ///< scores are cap · tanh(score / cap); 0: they stay (Gemma Team 2024, "Gemma 2", section 2)
  int window = unbounded;  ///< rows that a row sees, itself included (Beltagy et al. 2020, "Longformer", section 3.1)
  double alibi = 0;        ///< biases that grow with the distance, times each head's slope (Press et al. 2022)
  bool sinks = false;      ///< the weights of SinkAttention in the denominator
  int chunk = unbounded;   ///< rows see those of their own chunk, of so many (Meta AI 2025, "Llama 4")
  constexpr bool operator==(Scores const&) const = default;
};

/// Attention itself, between the projections: rows of [q | k | v] with NHeads, KvHeads and KvHeads heads, to rows of
/// NHeads heads. Query head h reads key head h / (NHeads / KvHeads): one key head is multi-query attention (Shazeer
/// 2019), some are grouped-query attention (Ainslie et al. 2023). y must stay as it is until backward, which reads it.
/// Its state is a KV cache: the keys and values of all rows so far, or of a window's last ones, in a ring.
template <int NHeads, int KvHeads, int HeadSize, Rate Drop = Rate{}, Scores How = Scores{}>
struct AttentionCore : Leaf<(NHeads + 2 * KvHeads) * HeadSize, NHeads * HeadSize> {
  static constexpr const char* kind_name = "AttentionCore";
  static constexpr int query_heads = NHeads, key_heads = KvHeads;
  static constexpr int queries = NHeads * HeadSize, keys = KvHeads * HeadSize;
  static constexpr double scale = How.scale > 0 ? How.scale : 1 / square_root(static_cast<double>(HeadSize));
  static constexpr StatePiece piece{
      .rows = KvHeads, .grows = true, .window = How.window < How.chunk ? How.window : How.chunk};
  using fault =
      first_fault<std::conditional_t<KvHeads >= 1 && NHeads % KvHeads == 0, void,
                                     key_heads_do_not_divide_heads<AttentionCore, NHeads, KvHeads>>,
                  std::conditional_t<(How.window >= 1 && How.chunk >= 1), void,
                                     window_sees_no_row<AttentionCore, How.window >= 1 ? How.chunk : How.window>>>;
  template <class S> struct Saved {
    View<S, dyn, NHeads> lse;       ///< log of each row's softmax denominator
    View<const S, dyn, queries> y;  ///< the output, kept by whoever owns it
  };
  template <class S> struct State {
    View<S, dyn, HeadSize> k, v;   ///< [sequence][key head][place]: decoding reads the rows of a head one by one
    int capacity = 0, places = 0;  ///< rows of a sequence; and those that there is room for at a time
  };
  template <class S> static constexpr void plan(Saved<S>& s, Shape const& shape, Arena& a) {
    s.lse = a.take_view<S, dyn, NHeads>(shape.rows());
  }
  template <class S> static constexpr void plan_state(State<S>& s, Shape const& shape, Arena& a) {
    s.capacity = shape.context;
    s.places = piece.places(shape.context);
    s.k = a.take_view<S, dyn, HeadSize>(shape.sequences * KvHeads * s.places);
    s.v = a.take_view<S, dyn, HeadSize>(shape.sequences * KvHeads * s.places);
  }
  template <class F, class... St> static constexpr void visit_state(F&& f, St&... s) {
    f(piece, s.k...);
    f(piece, s.v...);
  }
  template <class B> static constexpr void plan_scratch(Shape const& s, Arena& a) {
    const int longest = reach(how(Key{}), s.rows(), s.longest());
    plan_workspace(attention<B>::template workspace<HeadSize>(s.sequences, longest, how(Key{}), s.threads), a);
  }
  /// q·k and the weighted sum of v, 2 multiplications and additions each (the causal half is not subtracted, as is
  /// usual).
  static constexpr double flops(double context) {
    constexpr int most = How.window < How.chunk ? How.window : How.chunk;
    return 4.0 * queries * (context < most ? context : most);
  }

  template <class C, class W, class St, class Sv>
  static void forward(C const& c, [[maybe_unused]] W const& w, St& state, In<C, queries + 2 * keys> x,
                      Out<C, queries> y, Sv& saved) {
    using A = attention<typename C::backend_type>;
    auto a = how(c.key);
    if (c.mode == mode::eval) a.dropout = 0;
    const typename C::scalar* sinks = nullptr;
    if constexpr (How.sinks) sinks = w.sinks.data();
    if (state.capacity > 0 && !c.keeps()) {
      const bool fits = has_room(c, state);
      if (fits) remember(c, state, x);
      a.capacity = KvHeads * state.places;
      if (piece.window < unbounded) a.ring = state.places;
      const auto cached = [&](auto view) {
        return Heads<const typename C::scalar>{view.data(), HeadSize, state.places * HeadSize};
      };
      KeyValues<const typename C::scalar> own;
      if (!fits) own = {heads(k(x)), heads(v(x))};
      A::template forward<HeadSize>(c.backend, *c.batch, a, heads(q(x)), cached(state.k), cached(state.v), heads(y),
                                    nullptr, sinks, own);
      if (!fits) remember(c, state, x);
      return;
    }
    A::template forward<HeadSize>(c.backend, *c.batch, a, heads(q(x)), heads(k(x)), heads(v(x)), heads(y),
                                  saved.lse.data(), sinks);
    saved.y = y;
  }
  template <class C, class W, class G, class Sv, class St>
  static void backward(C const& c, [[maybe_unused]] W const& w, [[maybe_unused]] G& dw, In<C, queries + 2 * keys> x,
                       Sv& saved, In<C, queries> dy, Out<C, queries + 2 * keys> dx, St&) {
    if constexpr (How.sinks)
      if (auto* const d = gradient<typename C::scalar>(dw.sinks).data())
        attention<typename C::backend_type>::template sink_gradients<HeadSize>(
            c.backend, *c.batch, how(c.key), heads(saved.y), saved.lse.data(), heads(dy), w.sinks.data(), d);
    attention<typename C::backend_type>::template backward<HeadSize>(
        c.backend, *c.batch, how(c.key), heads(q(x)), heads(k(x)), heads(v(x)), heads(saved.y), saved.lse.data(),
        heads(dy), heads(q(dx)), heads(k(dx)), heads(v(dx)));
  }

 protected:
  static constexpr AttentionShape how(Key key) {
    return {.heads = NHeads,
            .kv_heads = KvHeads,
            .scale = scale,
            .dropout = Drop.value,
            .key = key,
            .cap = How.cap,
            .window = How.window,
            .alibi = How.alibi,
            .chunk = How.chunk};
  }
  template <class V> static constexpr auto q(V x) { return x.template columns<0, queries>(); }
  template <class V> static constexpr auto k(V x) { return x.template columns<queries, keys>(); }
  template <class V> static constexpr auto v(V x) { return x.template columns<queries + keys, keys>(); }
  template <class V> static constexpr auto heads(V x) {
    return Heads<typename V::element>{x.data(), x.stride(), HeadSize};
  }
  /// Can the batch's rows be written before they are read? Not where a ring would lose rows that they look back at.
  template <class C, class St> static bool has_room(C const& c, St const& state) {
    Batch const& b = *c.batch;
    bool fits = true;
    for (int s = 0; s < b.sequences; ++s) {
      const int rows = b.last(s) - b.first(s), all = b.before(s) + rows;
      if (all > state.capacity)
        fail(c.path.str(), std::to_string(all) + " rows of sequence " + std::to_string(s),
             "at most the " + std::to_string(state.capacity) + " that the KV cache was planned for");
      fits = fits && (all <= state.places || rows <= rewindable);
    }
    return fits;
  }
  /// The keys and values of the batch's rows, behind those that the state holds, or in place of the oldest: a copy for
  /// each head, or for each row where there are fewer.
  template <class C, class St> static void remember(C const& c, St& state, In<C, queries + 2 * keys> x) {
    using S = typename C::scalar;
    using HeadRows = View<const S, dyn, HeadSize>;
    Batch const& b = *c.batch;
    const int places = state.places;
    for (int s = 0; s < b.sequences; ++s) {
      const int before = b.before(s), end = before + b.last(s) - b.first(s);
      for (int from = before > end - places ? before : end - places, to; from < end; from = to) {
        const int edge = (from / places + 1) * places, at = s * KvHeads * places + from % places;
        to = end < edge ? end : edge;
        const int rows = to - from;
        const auto copy = [&](auto in, View<S, dyn, HeadSize> out) {
          if (rows < KvHeads)
            for (int r = 0; r < rows; ++r)
              add<typename C::backend_type>::run(
                  c.backend, HeadRows(in.row(r), KvHeads, HeadSize, HeadSize), {},
                  View<S, dyn, HeadSize>(out.row(at + r), KvHeads, HeadSize, places * HeadSize));
          else
            for (int h = 0; h < KvHeads; ++h)
              add<typename C::backend_type>::run(c.backend,
                                                 HeadRows(in.data() + h * HeadSize, rows, HeadSize, in.stride()), {},
                                                 out.middle_rows(at + h * places, rows));
        };
        copy(k(x).middle_rows(b.first(s) + from - before, rows), state.k);
        copy(v(x).middle_rows(b.first(s) + from - before, rows), state.v);
      }
    }
  }
};

/// The same with a learned logit a head in the softmax's denominator, which takes weight from the rows where none
/// matters (OpenAI 2025, "gpt-oss-120b & gpt-oss-20b model card", section 2.4).
template <int NHeads, int KvHeads, int HeadSize, Rate Drop, Scores How>
requires(How.sinks) struct SinkAttention : AttentionCore<NHeads, KvHeads, HeadSize, Drop, How> {
  template <class D> struct Weights { typename D::template storage<kind::vector> sinks; };
  template <class W, class F> static constexpr void visit(W& w, Place const& at, F&& f) {
    f(Tensor{.field = "sinks", .rows = 1, .cols = NHeads, .stored = kind::vector, .init = normal(0.02F), .at = at},
      w.sinks);
  }
};

/// As many key heads as heads, which share a width.
template <int Width, int NHeads, Rate Drop = Rate{}>
struct MultiHead : AttentionCore<NHeads, NHeads, Width / NHeads, Drop> {
  static constexpr int in = 3 * Width, out = Width;
  using fault = std::conditional_t<Width % NHeads == 0, void, heads_do_not_divide_width<MultiHead, Width, NHeads>>;
};

/// Rows of Width columns to rows of Width. W_qkv gives rows of [q | k | v], each NHeads heads of Width / NHeads columns
/// side by side; row i of a sequence attends to its rows 0 to i (Vaswani et al. 2017, equation 1 and section 3.2.2).
/// Drop acts on attention's weights and on y. Checkpoints hold both matrices transposed, [in, out].
template <int Width, int NHeads, bool Bias = true, Rate Drop = Rate{}>
struct CausalAttention
    : with_dropout<Seq<At<"c_attn", StoredAs<Layout{.transposed = true, .parts = 3}, Linear<Width, 3 * Width, Bias>>>,
                       MultiHead<Width, NHeads, Drop>,
                       At<"c_proj", StoredAs<conv1d, Linear<Width, Width, Bias, residual_normal(0.02F)>>>>,
                   Drop> {};

}  // namespace fauna::inline v0
