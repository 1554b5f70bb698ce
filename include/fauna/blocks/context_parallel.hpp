// context_parallel<M, N>: model M as each of N ranks runs it on its share of every sequence's positions
// (core/position_shares.hpp). All ranks have all weights; their gradients are to be added. What looks at other rows is
// replaced:
//   attention    ring       keys and values go round the ranks, one share at a time, and in backward their gradients
//   with
//                           them (Liu et al. 2023, "Ring attention with blockwise transformers for near-infinite
//                           context", section 3)
//   states       of scans, recurrences, token shifts and convolutions enter from the rank before and leave for the next
//                one; their gradients the other way. Ranks have contiguous shares
// The rest works row by row, and asks the batch for the rows' positions.
#pragma once
#include <string>
#include <type_traits>

#include <fauna/blocks/attention.hpp>
#include <fauna/blocks/dropout.hpp>
#include <fauna/blocks/ranks.hpp>
#include <fauna/compose/rewrite.hpp>
#include <fauna/core/concepts.hpp>
#include <fauna/core/position_shares.hpp>
#include <fauna/ops/partial_attention/op.hpp>

namespace fauna::inline v0 {

// What can be wrong with context parallel, beside what can be with the model.
template <class Block> struct states_pass_between_contiguous_shares;

namespace context_parallel_detail {

/// Rows of a batch of shares.
template <class C> PositionShares shares(C const& c, position_split how, int ranks) {
  Batch const& b = *c.batch;
  const int rank = ranks_of(c, ranks).rank;
  const PositionShares all{how, ranks, b.whole};
  if (b.whole == 0 || b.length != all.rows(rank))
    fail(c.path.str(), "sequences of " + std::to_string(b.length) + " rows",
         "a rank's share of sequences of " + std::to_string(b.whole),
         "ContextShare (dist/context_parallel.hpp) cuts batches");
  return all;
}

/// What forms of shared attention have in common: a rank's queries meet keys and values of any rank, which lie side by
/// side in a row.
template <int NHeads, int KvHeads, int HeadSize, Scores How, int N, position_split Split>
struct SharedAttention : AttentionCore<NHeads, KvHeads, HeadSize, Rate{}, How> {
  using Core = AttentionCore<NHeads, KvHeads, HeadSize, Rate{}, How>;
  static constexpr int pair = 2 * Core::keys;  ///< columns of keys and values
  /// A rank has two rows more than another at most.
  static constexpr int most_rows(Shape const& s) { return s.sequences * (s.length + 2); }
  template <class B> static constexpr void plan_scratch(Shape const& s, Arena& a) {
    plan_workspace(partial_attention<B>::template workspace<HeadSize>(s.threads), a);
  }

 protected:
  template <class S> using Pairs = View<S, dyn, pair>;
  template <class V> static constexpr auto pairs(V x) { return x.template columns<Core::queries, pair>(); }
  static constexpr AttentionShape shape() { return Core::how(Key{}); }
  template <class V> static constexpr auto keys_of(V kv) { return Core::heads(kv.template columns<0, Core::keys>()); }
  template <class V> static constexpr auto values_of(V kv) {
    return Core::heads(kv.template columns<Core::keys, Core::keys>());
  }
  /// f(queries, keys) for each piece of this rank's rows and each of the owner's.
  template <class C, class F> static void each_meeting(C const& c, PositionShares const& all, int owner, F&& f) {
    each_piece(all, c.group->rank, [&](RowStretch const& queries) {
      each_piece(all, owner, [&](RowStretch const& keys) { f(queries, keys); });
    });
  }
  template <class C, class V, class Y, class S>
  static void meet(C const& c, PositionShares const& all, int owner, V x, Pairs<const S> kv, Y y, S* lse) {
    each_meeting(c, all, owner, [&](RowStretch const& queries, RowStretch const& keys) {
      partial_attention<typename C::backend_type>::template forward<HeadSize>(
          c.backend, c.batch->sequences, shape(), queries, keys, Core::heads(Core::q(x)), keys_of(kv), values_of(kv),
          Core::heads(y), lse);
    });
  }
  template <class C, class V, class Sv, class DY, class DX, class S>
  static void meet_back(C const& c, PositionShares const& all, int owner, V x, Pairs<const S> kv, Sv const& saved,
                        DY dy, DX dx, Pairs<S> dkv) {
    each_meeting(c, all, owner, [&](RowStretch const& queries, RowStretch const& keys) {
      partial_attention<typename C::backend_type>::template backward<HeadSize>(
          c.backend, c.batch->sequences, shape(), queries, keys, Core::heads(Core::q(x)), keys_of(kv), values_of(kv),
          Core::heads(saved.y), saved.lse.data(), Core::heads(dy), Core::heads(Core::q(dx)), keys_of(dkv),
          values_of(dkv));
    });
  }
  template <class C> static Pairs<typename C::scalar> take(C const& c, int rows) {
    return c.scratch().template take_view<typename C::scalar, dyn, pair>(rows);
  }
  template <class C, class V> static void clear(C const& c, V x) { add<typename C::backend_type>::clear(c.backend, x); }
  template <class C, class V, class Y> static void copy(C const& c, V x, Y y) {
    add<typename C::backend_type>::run(c.backend, x, {}, y);
  }

 private:
  template <class F> static void each_piece(PositionShares const& all, int rank, F&& f) {
    RowStretch s{.step = all.rows(rank)};
    for (int i = 0; i < all.pieces(); ++i) {
      const PositionRange piece = all.piece(rank, i);
      s.position = piece.first;
      s.rows = piece.rows;
      f(s);
      s.row += piece.rows;
    }
  }
};

/// Keys and values go round: after step j rank i has those of rank i - j. With L_i rows a rank, it sends in forward
/// those of all ranks but that of i + 1; in backward the same again, and the gradients of all, which come home in a
/// last step.
template <int NHeads, int KvHeads, int HeadSize, Scores How, int N, position_split Split>
struct RingAttention : SharedAttention<NHeads, KvHeads, HeadSize, How, N, Split> {
  static constexpr const char* kind_name = "RingAttention";
  using Base = SharedAttention<NHeads, KvHeads, HeadSize, How, N, Split>;
  template <class C> using X = typename Base::template X<C>;
  template <class C> using Y = typename Base::template Y<C>;
  template <class C> using DX = typename Base::template DX<C>;
  template <class C> using DY = typename Base::template DY<C>;

  template <class B> static constexpr void plan_scratch(Shape const& s, Arena& a) {
    Scope scope(a);
    for (int i = 0; i < (s.backward ? 4 : 2); ++i) a.take_view<typename B::scalar, dyn, Base::pair>(Base::most_rows(s));
    if (!s.backward) a.take_view<typename B::scalar, dyn, NHeads>(s.rows());
    Base::template plan_scratch<B>(s, a);
  }

  template <class C, class W, class St, class Sv>
  static void forward(C const& c, W const&, St&, X<C> x, Y<C> y, Sv& saved) {
    using S = typename C::scalar;
    Scope s(c.scratch());
    const PositionShares all = shares(c, Split, N);
    Ring<S> kv(c, all);
    S* const lse = c.keeps() ? saved.lse.data() : c.scratch().template take_view<S, dyn, NHeads>(y.rows()).data();
    partial_attention<typename C::backend_type>::template clear<HeadSize>(c.backend, y.rows(), Base::shape(),
                                                                          Base::heads(y), lse);
    Base::copy(c, Base::pairs(x), kv.here());
    for (int j = 0; j < N; ++j) {
      Base::meet(c, all, kv.owner(), x, as_const(kv.here()), y, lse);
      if (j + 1 < N) kv.turn();
    }
    saved.y = y;
  }
  template <class C, class W, class G, class Sv, class St>
  static void backward(C const& c, W const&, G&, X<C> x, Sv& saved, DY<C> dy, DX<C> dx, St&) {
    using S = typename C::scalar;
    Scope s(c.scratch());
    const PositionShares all = shares(c, Split, N);
    Ring<S> kv(c, all), dkv(c, all);
    Base::copy(c, Base::pairs(x), kv.here());
    Base::clear(c, dkv.here());
    Base::clear(c, Base::q(dx));
    for (int j = 0; j < N; ++j) {
      Base::meet_back(c, all, kv.owner(), x, as_const(kv.here()), saved, dy, dx, dkv.here());
      if (j + 1 < N) kv.turn();
      dkv.turn();
    }
    Base::copy(c, as_const(dkv.here()), Base::pairs(dx));
  }

 private:
  /// What goes round, and room for what comes next.
  template <class S> class Ring {
   public:
    template <class C>
    Ring(C const& c, PositionShares const& all) : group_(*c.group), all_(all), sequences_(c.batch->sequences) {
      int most = 0;
      for (int r = 0; r < N; ++r) most = all.rows(r) > most ? all.rows(r) : most;
      for (auto& room : room_) room = Base::take(c, most * sequences_);
    }
    int owner() const { return (group_.rank + N - turns_ % N) % N; }
    typename Base::template Pairs<S> here() const { return of(room_[turns_ % 2], owner()); }
    void turn() {
      if constexpr (N == 1) return;
      const auto own = here();
      ++turns_;
      const auto next = here();
      Parcels parcels(N);
      parcels.send((group_.rank + 1) % N, own.data(), own.size());
      parcels.receive((group_.rank + N - 1) % N, next.data(), next.size());
      parcels.exchange(group_);
    }

   private:
    auto of(typename Base::template Pairs<S> room, int rank) const {
      return room.middle_rows(0, all_.rows(rank) * sequences_);
    }
    Group<S> const& group_;
    PositionShares const& all_;
    int sequences_, turns_ = 0;
    typename Base::template Pairs<S> room_[2];
  };
};

/// A block whose state comes from the rank before and goes to the next one.
template <class Block, int N, position_split Split> struct Relay : Block {
  using fault = first_fault<typename Block::fault, std::conditional_t<Split == position_split::contiguous, void,
                                                                      states_pass_between_contiguous_shares<Block>>>;
  template <class B> static constexpr void plan_scratch(Shape const& shape, Arena& a) {
    Scope s(a);
    (void)memory<typename B::scalar>(shape.sequences, a);
    Block::template plan_scratch<B>(shape, a);
  }
  template <class C, class W, class St, class V, class Y, class Sv>
  static void forward(C const& c, W const& w, St&, V x, Y y, Sv& saved) {
    pass(c, false, [&](auto& state) { Block::forward(c, w, state, x, y, saved); });
  }
  template <class C, class W, class G, class V, class Sv, class DY, class DX, class St>
  static void backward(C const& c, W const& w, G& dw, V x, Sv& saved, DY dy, DX dx, St&) {
    pass(c, true, [&](auto& dstate) { Block::backward(c, w, dw, x, saved, dy, dx, dstate); });
  }

 private:
  /// A state, and all of it as one array.
  template <class S> struct Memory {
    typename Block::template State<S> state;
    S* from = nullptr;
    std::size_t size = 0;
  };
  template <class S> static constexpr Memory<S> memory(int sequences, Arena& a) {
    Memory<S> m;
    const std::size_t before = a.used();
    m.from = a.take<S>(0);
    Block::plan_state(m.state, {.sequences = sequences, .length = 1, .context = 1}, a);
    m.size = (a.used() - before) / sizeof(S);
    return m;
  }
  template <class C, class F> static void pass(C const& c, bool back, F&& run) {
    using S = typename C::scalar;
    (void)shares(c, Split, N);
    Scope s(c.scratch());
    auto m = memory<S>(c.batch->sequences, c.scratch());
    in_turn(*c.group, back, m.from, m.size, [&] { run(m.state); });
  }
};

/// Does a block carry something from row to row that does not grow with their number?
template <class B> constexpr bool carries() {
  if constexpr (Composite<B> || !Block<B>) return false;
  else return Stateful<B> && ConstantState<B>;
}

/// Does it look at other rows in some way that is not known here?
template <class B> constexpr bool looks_around() {
  if constexpr (Composite<B> || !Block<B>) return false;
  else if constexpr (requires { B::causal; }) return !B::causal;
  else return Stateful<B> && !ConstantState<B>;
}

/// What becomes of a block; void: it is looked into.
template <class B, int N, position_split Split> struct share { using type = void; };
template <class B, int N, position_split Split>
requires(looks_around<B>()) struct share<B, N, Split> {
  static_assert(always_false<B>,
                "fauna: context_parallel does not know how ranks share the rows of this block (see B)");
};
template <class B, int N, position_split Split>
requires(carries<B>()) struct share<B, N, Split> {
  using type = Relay<B, N, Split>;
};
template <int NHeads, int KvHeads, int HeadSize, Rate Drop, Scores How, int N, position_split Split>
struct share<AttentionCore<NHeads, KvHeads, HeadSize, Drop, How>, N, Split> {
  static_assert(Drop == Rate{0}, "fauna: context_parallel has no dropout");
  static_assert(!How.sinks, "fauna: context_parallel has no attention with sinks");
  using type = RingAttention<NHeads, KvHeads, HeadSize, How, N, Split>;
};
template <int Width, int NHeads, Rate Drop, int N, position_split Split>
struct share<MultiHead<Width, NHeads, Drop>, N, Split>
    : share<AttentionCore<NHeads, NHeads, Width / NHeads, Drop>, N, Split> {};
template <int Width, Rate P, int N, position_split Split> struct share<Dropout<Width, P>, N, Split> {
  static_assert(always_false<Dropout<Width, P>>, "fauna: context_parallel has no dropout");
};

/// Is there a block that carries something in B?
template <class B> constexpr bool any_carries();
template <class... Bs> constexpr bool any_carries(Children<Bs...>) { return (any_carries<Bs>() || ...); }
template <class B> constexpr bool any_carries() {
  if constexpr (Composite<B>) return any_carries(typename B::children{});
  else return carries<B>();
}

}  // namespace context_parallel_detail

template <int N, position_split Split> struct InContextParallel {
  static_assert(N >= 1, "fauna: context_parallel is for one rank or more");
  static constexpr int ranks = N;
  static constexpr position_split split = Split;
  static std::string text() { return "context parallel " + std::to_string(N); }
  static constexpr bool in_parts = true;  ///< checkpoints are of the whole model
  template <class B> static constexpr auto replace() {
    if constexpr (requires { B::depths; })
      static_assert(B::depths == 0, "fauna: context_parallel is for models that predict the next token alone");
    using New = typename context_parallel_detail::share<B, N, Split>::type;
    if constexpr (!std::is_void_v<New>) return std::type_identity<New>{};
  }
};

/// How a model's positions are dealt best: contiguous where something is carried along them, else zigzag.
template <class M>
inline constexpr position_split best_split = context_parallel_detail::any_carries<M>() ? position_split::contiguous
                                                                                       : position_split::zigzag;

template <class M, int N, position_split Split = best_split<M>>
using context_parallel = rewrite<M, InContextParallel<N, Split>>;

}  // namespace fauna::inline v0
