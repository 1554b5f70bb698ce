// Lm<Embed, Trunk, Head, Mtp...>: a language model. It owns tokens, targets and the loss, so that logits never exist
// for all rows in training, and so that multi-token prediction (DeepSeek-AI 2024, section 2.2) sees both the trunk and
// the next tokens.
//   h⁰ = Trunk(Embed(t))                          loss₀ = mean over r of CE(Head(h⁰_r), t_{r+1})
//   hᵏ_r = Mtpₖ([hᵏ⁻¹_r ; Embed(t_{r+k})])        lossₖ = mean over r of CE(Head(hᵏ_r), t_{r+k+1})
//   loss = loss₀ + Σₖ weightₖ lossₖ + side losses
#pragma once
#include <new>

#include <fauna/blocks/dropout.hpp>
#include <fauna/blocks/head.hpp>
#include <fauna/compose/causal.hpp>
#include <fauna/compose/seq.hpp>

namespace fauna::inline v0 {

/// What a config is called in text (models/config_text.hpp). A config says it in a member `names`, and lists its other
/// members by  template <class C, class F> static constexpr void each(C& c, F&& f),  which calls f("member", c.member).
struct ConfigNames {
  const char *family, *model, *type, *header;
  /// The token table and the head in files. A model that ties them has one tensor, which goes by either name.
  const char *table = nullptr, *head = nullptr;
};

/// One depth of multi-token prediction: a block from 2 x width to width, and the weight of its loss.
template <class Block, Rate Weight = Rate{0.3F}> struct Mtp : Block {
  using composition = Mtp;
  using children = Children<Block>;
  template <class... New> using with = Mtp<New..., Weight>;
  static std::string child_name(std::size_t) { return {}; }
  static constexpr double weight = static_cast<double>(Weight.value);
};

/// A depth reads the trunk's output beside an embedding, and gives the trunk's width.
template <class Trunk, class M>
using mtp_fault_ =
    first_fault<typename M::fault,
                std::conditional_t<M::in == 2 * Trunk::out, void, widths_differ<bare<Trunk>, M, 2 * Trunk::out, M::in>>,
                std::conditional_t<M::out == Trunk::out, void, widths_differ<M, bare<Trunk>, M::out, Trunk::out>>>;

/// Side losses of a call are added up from zero, in forward.
template <class C> void clear_side_losses(C const& c) {
  using S = typename C::scalar;
  if (c.side != nullptr)
    add<typename C::backend_type>::clear(c.backend, Matrix<S>(c.side->values(), 1, c.side->capacity()));
}
/// Adds them, weighted, to a loss.
template <class C, class L> void add_side_losses(C const& c, L& loss) {
  if (c.side != nullptr)
    for (std::size_t i = 0; i < c.side->slots().size(); ++i)
      loss += c.side->slots()[i].weight * add<typename C::backend_type>::total(c.backend, c.side->values() + i, 1);
}
/// Throws unless y has a row for each of the logits that a batch is asked for.
template <int Vocab, class S> void require_room(Batch const& b, logit_rows which, Matrix<S> y) {
  const int wanted = which == logit_rows::all ? b.rows : which == logit_rows::last ? b.sequences : 0;
  if (which != logit_rows::none && (y.rows() != wanted || y.cols() != Vocab))
    fail("logits", "room for [" + std::to_string(y.rows()) + ", " + std::to_string(y.cols()) + "]",
         '[' + std::to_string(wanted) + ", " + std::to_string(Vocab) + ']',
         which == logit_rows::all ? "a row of the batch each" : "the last row of each sequence");
}
/// f(rows) of those rows of h whose logits a call is asked for; takes a row for each sequence from scratch.
template <class C, class S, int Width, class F>
void wanted_rows(C const& call, logit_rows which, View<const S, dyn, Width> h, F&& f) {
  Batch const& b = *call.batch;
  if (which == logit_rows::none) return;
  if (which == logit_rows::all || (b.offsets == nullptr && b.length == 1)) return f(h);
  // The rows side by side, so that the head's weights are read once.
  const auto last = call.scratch().template take_view<S, dyn, Width>(b.sequences);
  if (b.rows == 0) return;
  for (int q = 0; q < b.sequences; ++q)
    add<typename C::backend_type>::run(call.backend, h.middle_rows(b.last(q) > b.first(q) ? b.last(q) - 1 : 0, 1), {},
                                       last.middle_rows(q, 1));
  f(as_const(last));
}
/// The mean loss of rows before a head, over those that are counted; dh and dw receive its gradient times weight times
/// call.loss_scale.
template <class Head, class C, class W, class G, class V, class D, class L>
auto mean_loss(C const& c, W const& w, G& dw, V h, const int* targets, double weight, D dh, L losses) {
  using S = typename C::scalar;
  int counted = 0;
  for (int r = 0; r < c.rows(); ++r) counted += targets[r] != ignore_target;
  const double per_row = counted > 0 ? 1.0 / counted : 0.0;
  Head::loss_and_gradient(c, w, dw, h, targets, static_cast<S>(c.loss_scale * weight * per_row), losses.data(), dh);
  return add<typename C::backend_type>::total(c.backend, losses.data(), c.rows()) * per_row;
}

template <Block Embed, Block Trunk, class Head, class... Mtps> struct Lm {
  using composition = Lm;
  using children = Children<Embed, Trunk, Head, Mtps...>;
  template <class... New> using with = Lm<New...>;
  static std::string child_name(std::size_t i) { return i < 2 ? "" : i == 2 ? "head" : "mtp"; }
  static constexpr int width = Trunk::out, vocab = Head::out;
  static constexpr std::size_t depths = sizeof...(Mtps);
  static constexpr double loss_weights = 1 + (Mtps::weight + ... + 0.0);  ///< of the next token's and of all depths'
  template <std::size_t K> using Depth = nth<K, Mtps...>;
  using fault = first_fault<typename chain_fault_<Embed, Trunk, Head>::type, mtp_fault_<Trunk, Mtps>...,
                            causal_fault<Trunk, Mtps...>>;
  static constexpr std::size_t parameters = count_parameters<Embed>() + count_parameters<Trunk>() +
                                            count_parameters<Head>() + (count_parameters<Mtps>() + ... + 0);
  /// Forward pass for one token.
  static constexpr double flops(double context) {
    return Embed::flops(context) + Trunk::flops(context) + (1.0 + depths) * Head::flops(context) +
           (Mtps::flops(context) + ... + 0.0);
  }

  template <class D> struct Weights {
    typename Embed::template Weights<D> embed;
    typename Trunk::template Weights<D> trunk;
    typename Head::template Weights<D> head;
    Tuple<typename Mtps::template Weights<D>...> mtp;
  };
  template <class S> struct State {
    typename Trunk::template State<S> trunk;
    Tuple<typename Mtps::template State<S>...> mtp;
  };
  template <class S, class M> struct SavedDepth {
    typename M::template Saved<S> block;
    View<S, dyn, 2 * width> x;  ///< [h ; embedding of the next token]
    View<S, dyn, width> y, dy;
  };
  template <class S> struct Saved {
    typename Embed::template Saved<S> embed;
    typename Trunk::template Saved<S> trunk;
    View<S, dyn, width> x, h, dh;  ///< trunk in, trunk out, its gradient from the losses
    View<S, dyn, 1> losses;
    Tuple<SavedDepth<S, Mtps>...> mtp;
  };

  template <class W, class F> static constexpr void visit(W& w, Place const& at_, F&& f) {
    Embed::visit(w.embed, at_, f);
    Trunk::visit(w.trunk, at_, f);
    Head::visit(w.head, at_, f);
    each_index<depths>([&](auto k) { Depth<k>::visit(at<k>(w.mtp), at_, f); });
  }
  template <class S> static constexpr void plan(Saved<S>& s, Shape const& shape, Arena& a) {
    const int n = shape.rows();
    Embed::plan(s.embed, shape, a);
    s.x = a.take_view<S, dyn, width>(n);
    Trunk::plan(s.trunk, shape, a);
    s.h = a.take_view<S, dyn, width>(n);
    s.dh = a.take_view<S, dyn, width>(n);
    s.losses = a.take_view<S, dyn, 1>(n);
    each_index<depths>([&](auto k) {
      auto& d = at<k>(s.mtp);
      Depth<k>::plan(d.block, shape, a);
      d.x = a.take_view<S, dyn, 2 * width>(n);
      d.y = a.take_view<S, dyn, width>(n);
      d.dy = a.take_view<S, dyn, width>(n);
    });
  }
  template <class S> static constexpr void plan_state(State<S>& s, Shape const& shape, Arena& a) {
    Trunk::plan_state(s.trunk, shape, a);
    each_index<depths>([&](auto k) { Depth<k>::plan_state(at<k>(s.mtp), shape, a); });
  }
  template <class F, class... St> static constexpr void visit_state(F&& f, St&... s) {
    Trunk::visit_state(f, s.trunk...);
    each_index<depths>([&](auto k) { Depth<k>::visit_state(f, at<k>(s.mtp)...); });
  }
  /// What forward, backward, losses and logits take from scratch.
  template <class B> static constexpr void plan_scratch(Shape const& shape, Arena& a) {
    using S = typename B::scalar;
    Scope s(a);
    a.take_view<S, dyn, width>(shape.rows());
    a.take_view<S, dyn, width>(shape.rows());
    a.take_view<S, dyn, width>(shape.sequences);
    if (!shape.backward) {
      a.take<typename Embed::template Saved<S>>(1);
      a.take<typename Trunk::template Saved<S>>(1);
      (a.take<typename Mtps::template Saved<S>>(1), ...);
    }
    a.take_view<S, dyn, 2 * width>(depths > 0 ? shape.rows() : 0);
    for (int i = 0; i < 2; ++i) a.take_view<int, dyn, 1>(depths > 0 ? shape.rows() : 0);  // Shifted
    Embed::template plan_scratch<B>(shape, a);
    Trunk::template plan_scratch<B>(shape, a);
    Head::template plan_scratch<B>(shape, a);
    each_index<depths>([&](auto k) { Depth<k>::template plan_scratch<B>(shape, a); });
  }

  /// Training, first half: the mean loss over counted targets and the side losses (call.side), and the heads'
  /// gradients: added to dw, and kept for backward. Gradients are scaled by call.loss_scale.
  template <class C, class W, class G, class St, class S>
  static auto forward(C const& call, W const& w, G& dw, St& state, Saved<S>& saved) {
    Batch const& b = *call.batch;
    auto const frame = call.template frame<"embedding">(w.embed, &dw.embed);
    auto const c = call.with(frame);
    clear_side_losses(c);
    None no_state;
    Embed::forward(c.child(0), w.embed, no_state, tokens(b), saved.x, saved.embed);
    Trunk::forward(c.child(1), w.trunk, state.trunk, as_const(saved.x), saved.h, saved.trunk);
    auto loss = mean_loss<Head>(c.child(2), w.head, dw.head, as_const(saved.h), b.targets, 1.0, saved.dh, saved.losses);
    auto previous = as_const(saved.h);
    each_index<depths>([&](auto k) {
      auto& d = at<k>(saved.mtp);
      Scope s(c.host_scratch());
      const Shifted next(b, static_cast<int>(k) + 1, c.host_scratch());
      add<typename C::backend_type>::run(c.backend, previous, {}, d.x.template columns<0, width>());
      None none;
      Embed::forward(c.child(0), w.embed, none, as_const(next.ids), d.x.template columns<width, width>(), saved.embed);
      Depth<k>::forward(c.child(3 + k), at<k>(w.mtp), at<k>(state.mtp), as_const(d.x), d.y, d.block);
      loss += Depth<k>::weight * mean_loss<Head>(c.child(2), w.head, dw.head, as_const(d.y), next.targets.data(),
                                                 Depth<k>::weight, d.dy, saved.losses);
      previous = as_const(d.y);
    });
    add_side_losses(c, loss);
    return loss;
  }

  /// Training, second half. dstate: the gradient of the leaving state in, of the entering state out.
  template <class C, class W, class G, class St, class S>
  static void backward(C const& call, W const& w, G& dw, Saved<S>& saved, St& dstate) {
    Batch const& b = *call.batch;
    auto const frame = call.template frame<"embedding">(w.embed, &dw.embed);
    auto const c = call.with(frame);
    Scope s(c.scratch());
    None none;
    each_index<depths>([&](auto i) {
      constexpr std::size_t k = depths - 1 - i;
      auto& d = at<k>(saved.mtp);
      Scope inner(c.scratch());
      const auto dx = c.scratch().template take_view<S, dyn, 2 * width>(b.rows);
      Depth<k>::backward(c.child(3 + k), at<k>(w.mtp), at<k>(dw.mtp), as_const(d.x), d.block, as_const(d.dy), dx,
                         at<k>(dstate.mtp));
      View<S, dyn, width> before = saved.dh;
      if constexpr (k > 0) before = at<k - 1>(saved.mtp).dy;
      add<typename C::backend_type>::run(c.backend, before, dx.template columns<0, width>(), before);
      Scope host(c.host_scratch());
      const Shifted next(b, static_cast<int>(k) + 1, c.host_scratch());
      Embed::backward(c.child(0), w.embed, dw.embed, as_const(next.ids), saved.embed,
                      as_const(dx.template columns<width, width>()), None{}, none);
    });
    const auto dx = c.scratch().template take_view<S, dyn, width>(b.rows);
    Trunk::backward(c.child(1), w.trunk, dw.trunk, as_const(saved.x), saved.trunk, as_const(saved.dh), dx,
                    dstate.trunk);
    Embed::backward(c.child(0), w.embed, dw.embed, tokens(b), saved.embed, as_const(dx), None{}, none);
  }

  /// Training on a loss of one's own, in the place of `forward`: what the trunk gives for the rows of a call is kept.
  /// Then logits_gradient for all of them, in parts or at once, and `backward`. For models without further depths.
  template <class C, class W, class St, class S>
  static View<const S, dyn, width> forward_rows(C const& call, W const& w, St& state, Saved<S>& saved) {
    static_assert(depths == 0, "fauna: losses of one's own are for models that predict the next token alone");
    auto const frame = call.template frame<"embedding">(w.embed, static_cast<None*>(nullptr));
    auto const c = call.with(frame);
    None none;
    Embed::forward(c.child(0), w.embed, none, tokens(*call.batch), saved.x, saved.embed);
    Trunk::forward(c.child(1), w.trunk, state.trunk, as_const(saved.x), saved.h, saved.trunk);
    return as_const(saved.h);
  }
  /// Of rows from `first` on, y [some rows, vocab] being what head_logits gave for them: the loss's gradient dy by y is
  /// used up. The products' workspaces come from the call's scratch, and are in no plan.
  template <class C, class W, class G, class S>
  static void logits_gradient(C const& call, W const& w, G& dw, Saved<S>& saved, int first, Matrix<const S> y,
                              Matrix<S> dy) {
    auto const frame = call.template frame<"embedding">(w.embed, &dw.embed);
    Head::logits_gradient(call.with(frame).child(2), w.head, dw.head, as_const(saved.h).middle_rows(first, y.rows()), y,
                          dy, saved.dh.middle_rows(first, y.rows()));
  }

  /// Evaluation: losses [rows] in nats, 0 where ignored.
  template <class C, class W, class St>
  static void losses(C const& call, W const& w, St& state, typename C::scalar* losses) {
    Scope s(call.scratch());
    const auto h = hidden(call, w, state);
    with_head(call, w, [&](auto const& c) { Head::loss(c, w.head, h, c.batch->targets, losses); });
  }
  /// Inference: y holds logits [rows, vocab] of every row, [sequences, vocab] of the last row of each sequence (any
  /// values for one without rows), or nothing.
  template <class C, class W, class St>
  static void logits(C const& call, W const& w, St& state, logit_rows which, Matrix<typename C::scalar> y) {
    require_room<vocab>(*call.batch, which, y);
    Scope s(call.scratch());
    wanted_rows(call, which, hidden(call, w, state), [&](auto h) { head_logits(call, w, h, y); });
  }
  /// What the trunk gives for the rows of a call, in scratch: for callers that want some of its rows, or other heads.
  template <class C, class W, class St>
  static View<const typename C::scalar, dyn, width> hidden(C const& call, W const& w, St& state) {
    using S = typename C::scalar;
    const auto h = call.scratch().template take_view<S, dyn, width>(call.rows());
    Scope s(call.scratch());
    Scope host(call.host_scratch());
    auto const frame = call.template frame<"embedding">(w.embed, static_cast<None*>(nullptr));
    auto const c = call.with(frame);
    const auto x = c.scratch().template take_view<S, dyn, width>(c.rows());
    // Nothing is kept, but what could be has a place: for many layers and experts too large for a stack.
    auto& embed =
        *::new (c.host_scratch().template take<typename Embed::template Saved<S>>(1)) typename Embed::template Saved<S>;
    auto& trunk =
        *::new (c.host_scratch().template take<typename Trunk::template Saved<S>>(1)) typename Trunk::template Saved<S>;
    None none;
    Embed::forward(c.child(0), w.embed, none, tokens(*c.batch), x, embed);
    Trunk::forward(c.child(1), w.trunk, state.trunk, as_const(x), h, trunk);
    return as_const(h);
  }
  /// What the trunk is given for the tokens of a call.
  static constexpr int table_width = Embed::out;
  template <class C, class W> static void embed(C const& call, W const& w, Matrix<typename C::scalar> e) {
    typename Embed::template Saved<typename C::scalar> saved;
    None none;
    Embed::forward(call.child(0), w.embed, none, tokens(*call.batch),
                   View<typename C::scalar, dyn, Embed::out>(e.data(), e.rows(), Embed::out, e.stride()), saved);
  }
  /// logits [h.rows, vocab] of rows that `hidden` gave.
  template <class C, class W>
  static void head_logits(C const& call, W const& w, View<const typename C::scalar, dyn, width> h,
                          Matrix<typename C::scalar> y) {
    with_head(call, w, [&](auto const& c) { Head::logits(c, w.head, h, y); });
  }
  /// Inference: y = Mtpₖ([h ; Embed(the call's tokens)]) of depth k, from 0 on, for drafts. Row r of a sequence has
  /// what came of its row r one depth before, or of the trunk, and the token k + 1 places on.
  template <class C, class W, class St>
  static void further(C const& call, W const& w, St& state, int depth, View<const typename C::scalar, dyn, width> h,
                      View<typename C::scalar, dyn, width> y) {
    using S = typename C::scalar;
    each_index<depths>([&](auto k) {
      if (depth != static_cast<int>(k)) return;
      Scope s(call.scratch());
      Scope host(call.host_scratch());
      auto const frame = call.template frame<"embedding">(w.embed, static_cast<None*>(nullptr));
      auto const c = call.with(frame);
      const auto x = c.scratch().template take_view<S, dyn, 2 * width>(c.rows());
      auto& embed = *::new (c.host_scratch().template take<typename Embed::template Saved<S>>(1))
                        typename Embed::template Saved<S>;
      auto& block = *::new (c.host_scratch().template take<typename Depth<k>::template Saved<S>>(1))
                        typename Depth<k>::template Saved<S>;
      None none;
      add<typename C::backend_type>::run(c.backend, h, {}, x.template columns<0, width>());
      Embed::forward(c.child(0), w.embed, none, tokens(*c.batch), x.template columns<width, width>(), embed);
      Depth<k>::forward(c.child(3 + k), at<k>(w.mtp), at<k>(state.mtp), as_const(x), y, block);
    });
  }
  /// Losses [rows] in nats of rows before the head, for other heads before it (Medusa): dh becomes `factor` times their
  /// gradient, and the head's own is added to dw.
  template <class C, class W, class G>
  static void head_gradient(C const& call, W const& w, G& dw, View<const typename C::scalar, dyn, width> h,
                            const int* targets, typename C::scalar factor, typename C::scalar* losses,
                            View<typename C::scalar, dyn, width> dh) {
    auto const frame = call.template frame<"embedding">(w.embed, &dw.embed);
    Head::loss_and_gradient(call.with(frame).child(2), w.head, dw.head, h, targets, factor, losses, dh);
  }
  /// The same where the head learns nothing.
  template <class C, class W>
  static void head_gradient(C const& call, W const& w, View<const typename C::scalar, dyn, width> h, const int* targets,
                            typename C::scalar factor, typename C::scalar* losses,
                            View<typename C::scalar, dyn, width> dh) {
    using D = All<typename C::scalar>;
    struct {
      typename Embed::template Weights<D> embed;
      typename Head::template Weights<D> head;
    } nothing{};
    head_gradient(call, w, nothing, h, targets, factor, losses, dh);
  }

 private:
  static constexpr View<const int, dyn, 1> tokens(Batch const& b) { return View<const int, dyn, 1>(b.tokens, b.rows); }

  /// f(the head's call), with the embedding in scope.
  template <class C, class W, class F> static void with_head(C const& call, W const& w, F&& f) {
    auto const frame = call.template frame<"embedding">(w.embed, static_cast<None*>(nullptr));
    f(call.with(frame).child(2));
  }

  /// ids_r = t_{r+k} and targets_r = t_{r+k+1}, within the row's sequence and document; ignored past its end.
  struct Shifted {
    View<int, dyn, 1> ids, targets;
    Shifted(Batch const& b, int k, Arena& host)
        : ids(host.take_view<int, dyn, 1>(b.rows)), targets(host.take_view<int, dyn, 1>(b.rows)) {
      for (int q = 0; q < b.sequences; ++q)
        for (int r = b.first(q); r < b.last(q); ++r) {
          const bool inside =
              r + k < b.last(q) && b.start(q, r + k) == b.start(q, r) && b.targets[r + k - 1] != ignore_target;
          ids(r, 0) = inside ? b.targets[r + k - 1] : 0;
          targets(r, 0) = inside ? b.targets[r + k] : ignore_target;
        }
    }
  };
};

}  // namespace fauna::inline v0
