// tensor_parallel<M, N>: the part of model M that one of N ranks has (Shoeybi et al. 2019, "Megatron-LM", section 3):
// heads of attentions, columns of MLPs and of each expert, tokens of the vocabulary. Norms, routers, positions and
// biases of what is summed are on all ranks. With rank i's parts X_i, W_i:
//   columns      Y_i = X W_iᵀ                       dX = Σ_i dY_i W_i
//   rows         Y = Σ_i X_i W_iᵀ + b               dX_i = dY W_i
//   tokens       y_r = Σ_i (table_i[t_r], or 0 where the token is another's)
//   loss         m = max_i max z_i    s = Σ_i Σ e^(z_i - m)    loss = log s - Σ_i (z_t - m, where t is its own)
// So a layer's activations are summed twice forward, after attention and after the MLP, and twice backward, before
// them; logits never meet.
#pragma once
#include <cmath>
#include <concepts>
#include <string>

#include <fauna/blocks/embedding.hpp>
#include <fauna/blocks/head.hpp>
#include <fauna/blocks/mlp.hpp>
#include <fauna/blocks/rotary_attention.hpp>
#include <fauna/compose/rewrite.hpp>

namespace fauna::inline v0 {

namespace tensor_parallel_detail {

template <class C> Group<typename C::scalar> const& group(C const& c, int ranks) {
  if (c.group == nullptr || c.group->size != ranks)
    fail(c.path.str(), std::to_string(c.group == nullptr ? 0 : c.group->size) + " ranks", std::to_string(ranks),
         "a model in tensor parallel runs on the ranks of its type");
  return *c.group;
}
/// Of all ranks, in place; where each rank has rows of its own, what stands around the block adds up (AllRows).
template <class C, class V> void sum(C const& c, int ranks, V x) {
  auto const& g = group(c, ranks);
  if (g.whole != nullptr) return;
  const int together = x.stride() == x.cols() ? x.rows() : 1;
  for (int r = 0; r < x.rows(); r += together)
    g.sum(g.user, x.row(r), static_cast<std::size_t>(together) * static_cast<std::size_t>(x.cols()));
}

/// What all ranks read alike: the gradient is the sum of theirs.
template <int Width, int N> struct Enter : SameWidth<Width> {
  static constexpr const char* kind_name = "Enter";
  template <class C, class W, class St, class V, class Y, class Sv>
  static void forward(C const& c, W const&, St&, V x, Y y, Sv&) {
    add<typename C::backend_type>::run(c.backend, x, {}, y);
  }
  template <class C, class W, class G, class V, class Sv, class DY, class DX, class St>
  static void backward(C const& c, W const&, G&, V, Sv&, DY dy, DX dx, St&) {
    add<typename C::backend_type>::run(c.backend, dy, {}, dx);
    sum(c, N, dx);
  }
};

/// Linear<In, Out> of which a rank has 1/N of the rows, in each of `Parts` stretches of them.
template <int In, int Out, int N, bool Bias, int Parts = 1> struct Columns : Linear<In, Out / N, Bias> {
  using fault = std::conditional_t<Out % N == 0, void, ranks_do_not_divide_columns<Linear<In, Out, Bias>, Out, N>>;
  using whole = Linear<In, Out / N, Bias>;
  template <class W, class F> static constexpr void visit(W& w, Place const& at, F&& f) {
    whole::visit(w, at, [&f](Tensor t, auto& v) {
      t.split = {N, t.is_vector(), Parts};
      f(t, v);
    });
  }
};
/// Linear<In, Out> of which a rank has 1/N of the columns. The bias is added once.
template <int In, int Out, int N, bool Bias, Init Start = normal(0.02F)>
struct Rows : Linear<In / N, Out, Bias, Start> {
  using whole = Linear<In / N, Out, Bias, Start>;
  static constexpr bool adds_y = false;
  template <class W, class F> static constexpr void visit(W& w, Place const& at, F&& f) {
    whole::visit(w, at, [&f](Tensor t, auto& v) {
      if (!t.is_vector()) t.split = {N, true};
      f(t, v);
    });
  }
  template <class C, class W, class St, class V, class Y, class Sv>
  static void forward(C const& c, W const& w, St&, V x, Y y, Sv&) {
    auto e = whole::onto(c, w);
    if (group(c, N).rank > 0) e.bias = nullptr;
    gemm<typename C::backend_type>::nt(c.backend, reading(x), reading(w.weight), matrix(y), e);
    sum(c, N, y);
  }
  /// Gradients of what all ranks have are added over those with rows of their own: the bias, which has seen all rows,
  /// has its gradient once.
  template <class C, class W, class G, class V, class Sv, class DY, class DX, class St>
  static void backward(C const& c, W const& w, G& dw, V x, Sv& saved, DY dy, DX dx, St& dstate) {
    auto const& g = group(c, N);
    if constexpr (Bias) {
      if (g.whole != nullptr && g.rank > 0) {
        auto own = dw;
        own.bias = {};
        return whole::backward(c, w, own, x, saved, dy, dx, dstate);
      }
    }
    whole::backward(c, w, dw, x, saved, dy, dx, dstate);
  }
};

template <class Block, int Heads, int KvHeads, int N>
using heads_fault =
    std::conditional_t<Heads % N == 0 && KvHeads % N == 0, void, ranks_do_not_divide_heads<Block, KvHeads, N>>;

template <int Width, int NHeads, bool Bias, int N>
struct GptAttention : Seq<At<"c_attn", StoredAs<conv1d, Seq<Enter<Width, N>, Columns<Width, 3 * Width, N, Bias, 3>>>>,
                          AttentionCore<NHeads / N, NHeads / N, Width / NHeads>,
                          At<"c_proj", StoredAs<conv1d, Rows<Width, Width, N, Bias, residual_normal(0.02F)>>>> {
  using fault = heads_fault<CausalAttention<Width, NHeads, Bias>, NHeads, NHeads, N>;
};
template <int Width, int NHeads, int KvHeads, int HeadSize, RopeShape R, bool Bias, int N>
struct LlamaAttention
    : Seq<Enter<Width, N>,
          Concat<At<"q_proj", Columns<Width, NHeads * HeadSize, N, Bias>>,
                 At<"k_proj", Columns<Width, KvHeads * HeadSize, N, Bias>>,
                 At<"v_proj", Columns<Width, KvHeads * HeadSize, N, Bias>>>,
          Rope<NHeads / N, KvHeads / N, HeadSize, R>, AttentionCore<NHeads / N, KvHeads / N, HeadSize>,
          At<"o_proj", Rows<NHeads * HeadSize, Width, N, Bias>>> {
  using fault = heads_fault<RotaryAttention<Width, NHeads, KvHeads, HeadSize, R, Bias>, NHeads, KvHeads, N>;
};

template <int Width, int Hidden, class Activation, bool Bias, int N>
struct GptMlp : Seq<At<"c_fc", StoredAs<conv1d, Seq<Enter<Width, N>, Columns<Width, Hidden, N, Bias>>>>, Activation,
                    At<"c_proj", StoredAs<conv1d, Rows<Hidden, Width, N, Bias, residual_normal(0.02F)>>>> {};
template <label Gate, label Up, label Down, int Width, int Hidden, activation Form, bool Bias, int N>
struct SplitGatedMlp
    : Seq<Enter<Width, N>, Concat<At<Gate, Columns<Width, Hidden, N, Bias>>, At<Up, Columns<Width, Hidden, N, Bias>>>,
          Gated<Form, Hidden / N>, At<Down, Rows<Hidden, Width, N, Bias>>> {};

/// Tokens [first, first + count) are a rank's; all ranks have `rows` rows, the last one perhaps some that no token has.
template <int Vocab, int N> struct OwnTokens {
  static constexpr int rows = (Vocab + N - 1) / N;
  static constexpr bool each_rank_has_some = Vocab > (N - 1) * rows;
  int first, count;
  explicit OwnTokens(int rank) : first(rank * rows), count(Vocab - rank * rows < rows ? Vocab - rank * rows : rows) {}
  bool has(int token) const { return token >= first && token < first + count; }
};

template <int Vocab, int Width, int N> struct Table : Embedding<OwnTokens<Vocab, N>::rows, Width> {
  using own = Embedding<OwnTokens<Vocab, N>::rows, Width>;
  using fault = std::conditional_t<OwnTokens<Vocab, N>::each_rank_has_some, void,
                                   rank_without_tokens<Embedding<Vocab, Width>, Vocab, N>>;
  static constexpr int vocab = Vocab;
  template <class W, class F> static constexpr void visit(W& w, Place const& at, F&& f) {
    own::visit(w, at, [&f](Tensor t, auto& v) {
      t.split = {N};
      f(t, v);
    });
  }
  template <class B> static constexpr void plan_scratch(Shape const& s, Arena& a) {
    Scope scope(a);
    a.take<int>(static_cast<std::size_t>(s.rows()));
    a.take_view<typename B::scalar, dyn, Width>(s.rows());
  }
  template <class C, class W, class St, class V, class Y, class Sv>
  static void forward(C const& c, W const& w, St& state, V x, Y y, Sv& saved) {
    Scope s(c.host_scratch());
    const OwnTokens<Vocab, N> own_tokens(group(c, N).rank);
    own::forward(c, w, state, local(c, own_tokens, x), y, saved);
    for (int r = 0; r < y.rows(); ++r)
      if (!own_tokens.has(x(r, 0))) add<typename C::backend_type>::clear(c.backend, matrix(y.middle_rows(r, 1)));
    sum(c, N, y);
  }
  template <class C, class W, class G, class V, class Sv, class DY, class DX, class St>
  static void backward(C const& c, W const& w, G& dw, V x, Sv& saved, DY dy, DX dx, St& dstate) {
    using S = typename C::scalar;
    Scope s(c.scratch());
    const OwnTokens<Vocab, N> own_tokens(group(c, N).rank);
    const auto ids = local(c, own_tokens, x);
    const auto own_dy = c.scratch().template take_view<S, dyn, Width>(dy.rows());
    add<typename C::backend_type>::run(c.backend, dy, {}, own_dy);
    for (int r = 0; r < dy.rows(); ++r)
      if (!own_tokens.has(x(r, 0))) add<typename C::backend_type>::clear(c.backend, matrix(own_dy.middle_rows(r, 1)));
    own::backward(c, w, dw, ids, saved, as_const(own_dy), dx, dstate);
  }

 private:
  /// Rows of the rank's table; the first one where the token is another's.
  template <class C, class V> static View<const int, dyn, 1> local(C const& c, OwnTokens<Vocab, N> const& tokens, V x) {
    int* ids = c.host_scratch().template take<int>(static_cast<std::size_t>(x.rows()));
    for (int r = 0; r < x.rows(); ++r) ids[r] = tokens.has(x(r, 0)) ? x(r, 0) - tokens.first : 0;
    return View<const int, dyn, 1>(ids, x.rows());
  }
};

/// The host reads and writes the logits.
template <int Width, int Vocab, int N> struct Head : Leaf<Width, Vocab> {
  static constexpr const char* kind_name = "Head";
  static constexpr int rows = OwnTokens<Vocab, N>::rows;
  using own = LmHead<Width, rows>;
  using fault = typename Table<Vocab, Width, N>::fault;
  template <class D> using Weights = typename own::template Weights<D>;
  template <class W, class F> static constexpr void visit(W& w, Place const& at, F&& f) {
    own::visit(w, at, [&f](Tensor t, auto& v) {
      t.split = {N};
      f(t, v);
    });
  }
  static constexpr double flops(double context) { return own::flops(context); }
  template <class B> static constexpr void plan_scratch(Shape const& s, Arena& a) {
    Scope scope(a);
    a.take_view<typename B::scalar, dyn, rows>(s.rows());
    for (int i = 0; i < 3; ++i) a.take<typename B::scalar>(static_cast<std::size_t>(s.rows()));
    plan_workspace(gemm<B>::workspace(s.rows(), rows, Width, s.threads), a);
    plan_workspace(gemm<B>::workspace(s.rows(), Width, rows, s.threads), a);
    plan_workspace(gemm<B>::workspace(rows, Width, s.rows(), s.threads), a);
  }

  template <class C, class W>
  static void logits(C const& c, W const& w, Matrix<const typename C::scalar> x, Matrix<typename C::scalar> y) {
    using S = typename C::scalar;
    Scope scope(c.scratch());
    const OwnTokens<Vocab, N> tokens(group(c, N).rank);
    const auto z = c.scratch().template take_view<S, dyn, rows>(x.rows());
    own::logits(c, w, x, matrix(z));
    for (int r = 0; r < x.rows(); ++r)
      for (int v = 0; v < Vocab; ++v) y(r, v) = tokens.has(v) ? z(r, v - tokens.first) : S{};
    sum(c, N, y);
  }
  template <class C, class W>
  static void loss(C const& c, W const& w, Matrix<const typename C::scalar> x, const int* targets,
                   typename C::scalar* losses) {
    Scope scope(c.scratch());
    (void)exponentials(c, w, x, targets, losses);
  }
  template <class C, class W, class G>
  static void loss_and_gradient(C const& c, W const& w, G& dw, Matrix<const typename C::scalar> x, const int* targets,
                                typename C::scalar factor, typename C::scalar* losses, Matrix<typename C::scalar> dx) {
    using S = typename C::scalar;
    using B = typename C::backend_type;
    Scope scope(c.scratch());
    const OwnTokens<Vocab, N> tokens(group(c, N).rank);
    const auto [z, sums] = exponentials(c, w, x, targets, losses);
    for (int r = 0; r < x.rows(); ++r)
      for (int v = 0; v < rows; ++v) {
        const bool counts = targets[r] != ignore_target && v < tokens.count;
        z(r, v) = counts ? factor * (z(r, v) / sums[r] - S(targets[r] == tokens.first + v ? 1 : 0)) : S{};
      }
    gemm<B>::nn(c.backend, reading(z), reading(w.weight), dx, {});
    sum(c, N, dx);
    if (const auto g = gradient<S>(dw.weight)) {
      Epilogue<S> e;
      e.base = g.data();
      e.base_stride = g.stride();
      gemm<B>::tn(c.backend, reading(z), x, g, e);
    }
  }

 private:
  template <class S> struct Exponentials {
    View<S, dyn, rows> z;  ///< e^(z - m)
    S* sums;               ///< [rows of x] of all ranks' z
  };
  /// In scratch, which the caller gives back; and the losses.
  template <class C, class W>
  static auto exponentials(C const& c, W const& w, Matrix<const typename C::scalar> x, const int* targets,
                           typename C::scalar* losses) {
    using S = typename C::scalar;
    using std::exp, std::log;
    auto const& g = group(c, N);
    const OwnTokens<Vocab, N> tokens(g.rank);
    const auto n = static_cast<std::size_t>(x.rows());
    Exponentials<S> e{c.scratch().template take_view<S, dyn, rows>(x.rows()), nullptr};
    S* const most = c.scratch().template take<S>(n);
    S* const both = c.scratch().template take<S>(2 * n);  // sums, then what the targets have
    own::logits(c, w, x, matrix(e.z));
    for (int r = 0; r < x.rows(); ++r) {
      most[r] = e.z(r, 0);
      for (int v = 1; v < tokens.count; ++v)
        if (most[r] < e.z(r, v)) most[r] = e.z(r, v);
    }
    g.most(g.user, most, n);
    for (int r = 0; r < x.rows(); ++r) {
      const int t = targets[r];
      both[r] = S{};
      both[n + static_cast<std::size_t>(r)] = tokens.has(t) ? e.z(r, t - tokens.first) - most[r] : S{};
      for (int v = 0; v < tokens.count; ++v) {
        e.z(r, v) = exp(e.z(r, v) - most[r]);
        both[r] += e.z(r, v);
      }
    }
    g.sum(g.user, both, 2 * n);
    for (int r = 0; r < x.rows(); ++r)
      losses[r] = targets[r] == ignore_target ? S{} : log(both[r]) - both[n + static_cast<std::size_t>(r)];
    e.sums = both;
    return e;
  }
};

/// An activation of fewer columns.
template <class A, int Columns> struct narrower;
template <int Width, activation Form, int Columns> struct narrower<Gelu<Width, Form>, Columns> {
  using type = Gelu<Columns, Form>;
};

/// What becomes of a block; void: it is looked into.
template <class B, int N> struct part { using type = void; };
template <int Width, int NHeads, bool Bias, Rate Drop, int N>
struct part<CausalAttention<Width, NHeads, Bias, Drop>, N> {
  static_assert(Drop == Rate{0}, "fauna: tensor_parallel has no dropout");
  using type = GptAttention<Width, NHeads, Bias, N>;
};
template <int Width, int Hidden, class Activation, bool Bias, Rate Drop, int N>
struct part<Mlp<Width, Hidden, Activation, Bias, Drop>, N> {
  static_assert(Drop == Rate{0}, "fauna: tensor_parallel has no dropout");
  using type = GptMlp<Width, Hidden, typename narrower<Activation, Hidden / N>::type, Bias, N>;
};
template <int Width, int NHeads, int KvHeads, int HeadSize, RopeShape R, bool Bias, QkNorm Norm, int N>
struct part<RotaryAttention<Width, NHeads, KvHeads, HeadSize, R, Bias, Norm>, N> {
  static_assert(Norm.over == qk_norm::none, "fauna: tensor_parallel has no norms of queries and keys");
  using type = LlamaAttention<Width, NHeads, KvHeads, HeadSize, R, Bias, N>;
};
template <label Gate, label Up, label Down, int Width, int Hidden, activation Form, bool Bias, int N>
struct part<NamedGatedMlp<Gate, Up, Down, Width, Hidden, Form, Bias>, N> {
  using type = SplitGatedMlp<Gate, Up, Down, Width, Hidden, Form, Bias, N>;
};
/// The gated MLP that a family's own, or its experts', is under another name.
template <label Gate, label Up, label Down, int Width, int Hidden, activation Form, bool Bias>
NamedGatedMlp<Gate, Up, Down, Width, Hidden, Form, Bias> gated_mlp(
    NamedGatedMlp<Gate, Up, Down, Width, Hidden, Form, Bias> const*);
template <class B> using gated_mlp_of = decltype(gated_mlp(static_cast<B const*>(nullptr)));
template <Named B, int N>
requires std::same_as<typename B::composition, typename gated_mlp_of<B>::composition>
struct part<B, N> : part<gated_mlp_of<B>, N> {
};
template <int Vocab, int Width, int N> struct part<Embedding<Vocab, Width>, N> { using type = Table<Vocab, Width, N>; };
template <int Width, int Vocab, int N> struct part<LmHead<Width, Vocab>, N> { using type = Head<Width, Vocab, N>; };
template <int Width, int Vocab, bool Bias, LogitCap Cap, int N> struct part<LmHead<Width, Vocab, Bias, Cap>, N> {
  static_assert(always_false<LmHead<Width, Vocab, Bias, Cap>>,
                "fauna: tensor_parallel has no bias and no cap of logits in the head");
};

}  // namespace tensor_parallel_detail

template <int N> struct InTensorParallel {
  static_assert(N >= 1, "fauna: tensor_parallel is for one rank or more");
  static std::string text() { return "tensor parallel " + std::to_string(N); }
  static constexpr bool original_checkpoints = true;
  template <class B> static constexpr auto replace() {
    using New = typename tensor_parallel_detail::part<B, N>::type;
    if constexpr (!std::is_void_v<New>) return std::type_identity<New>{};
  }
};

template <class M, int N> using tensor_parallel = rewrite<M, InTensorParallel<N>>;

}  // namespace fauna::inline v0
