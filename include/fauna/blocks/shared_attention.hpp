// Attention of rows that ranks share (core/position_shares.hpp): each has some positions of every sequence, and its
// queries are to meet the keys of all. Three forms:
//   ring      keys and values go round the ranks, one share at a time, and in
//             backward their gradients with them (Liu et al. 2023,
//             "Ring attention with blockwise transformers for near-infinite context", section 3)
//   gather    every rank gets all keys and values of a layer at once (Llama Team 2024, "The Llama 3 herd of models",
//             section 3.3.2)
//   ulysses   rows are exchanged for heads: a rank has all positions of 1/N of
//             the heads while attention runs (Jacobs et al. 2023,
//             "DeepSpeed Ulysses", section 3)
#pragma once
#include <string>
#include <type_traits>

#include <fauna/blocks/attention.hpp>
#include <fauna/blocks/ranks.hpp>
#include <fauna/core/position_shares.hpp>
#include <fauna/ops/partial_attention/op.hpp>

namespace fauna::inline v0 {

enum class shared_attention : int { ring, gather, ulysses };

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
  /// lse [rows, heads] of rows that have met no keys yet.
  template <class C, class Y, class Sv> static typename C::scalar* begin(C const& c, Y y, Sv& saved) {
    using S = typename C::scalar;
    S* const lse = c.keeps() ? saved.lse.data() : c.scratch().template take_view<S, dyn, NHeads>(y.rows()).data();
    partial_attention<typename C::backend_type>::template clear<HeadSize>(c.backend, y.rows(), shape(), Core::heads(y),
                                                                          lse);
    return lse;
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

  template <class B> static constexpr void plan_scratch(Shape const& s, Arena& a) {
    Scope scope(a);
    for (int i = 0; i < (s.backward ? 4 : 2); ++i) a.take_view<typename B::scalar, dyn, Base::pair>(Base::most_rows(s));
    if (!s.backward) a.take_view<typename B::scalar, dyn, NHeads>(s.rows());
    Base::template plan_scratch<B>(s, a);
  }

  template <class C, class W, class St, class Sv>
  static void forward(C const& c, W const&, St&, In<C, Base::in> x, Out<C, Base::out> y, Sv& saved) {
    using S = typename C::scalar;
    Scope s(c.scratch());
    const PositionShares all = shares(c, Split, N);
    Ring<S> kv(c, all);
    S* const lse = Base::begin(c, y, saved);
    Base::copy(c, Base::pairs(x), kv.here());
    for (int j = 0; j < N; ++j) {
      Base::meet(c, all, kv.owner(), x, as_const(kv.here()), y, lse);
      if (j + 1 < N) kv.turn();
    }
    saved.y = y;
  }
  template <class C, class W, class G, class Sv, class St>
  static void backward(C const& c, W const&, G&, In<C, Base::in> x, Sv& saved, In<C, Base::out> dy, Out<C, Base::in> dx,
                       St&) {
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

/// All keys and values are gathered. With L_i rows a rank, it sends its own to all others in forward; in backward the
/// same again, and to each of them the gradients of theirs.
template <int NHeads, int KvHeads, int HeadSize, Scores How, int N, position_split Split>
struct GatheredAttention : SharedAttention<NHeads, KvHeads, HeadSize, How, N, Split> {
  static constexpr const char* kind_name = "GatheredAttention";
  using Base = SharedAttention<NHeads, KvHeads, HeadSize, How, N, Split>;

  template <class B> static constexpr void plan_scratch(Shape const& s, Arena& a) {
    Scope scope(a);
    for (int i = 0; i < (s.backward ? 3 : 1); ++i)
      a.take_view<typename B::scalar, dyn, Base::pair>(N * Base::most_rows(s));
    if (!s.backward) a.take_view<typename B::scalar, dyn, NHeads>(s.rows());
    Base::template plan_scratch<B>(s, a);
  }

  template <class C, class W, class St, class Sv>
  static void forward(C const& c, W const&, St&, In<C, Base::in> x, Out<C, Base::out> y, Sv& saved) {
    Scope s(c.scratch());
    const PositionShares all = shares(c, Split, N);
    const Gathered<typename C::scalar> kv(c, all);
    gather(c, kv, x);
    auto* const lse = Base::begin(c, y, saved);
    for (int r = 0; r < N; ++r) Base::meet(c, all, r, x, as_const(kv.of(r)), y, lse);
    saved.y = y;
  }
  template <class C, class W, class G, class Sv, class St>
  static void backward(C const& c, W const&, G&, In<C, Base::in> x, Sv& saved, In<C, Base::out> dy, Out<C, Base::in> dx,
                       St&) {
    Scope s(c.scratch());
    auto const& ranks = *c.group;
    const PositionShares all = shares(c, Split, N);
    const Gathered<typename C::scalar> kv(c, all), dkv(c, all);
    gather(c, kv, x);
    Base::clear(c, Base::q(dx));
    for (int r = 0; r < N; ++r) {
      Base::clear(c, dkv.of(r));
      Base::meet_back(c, all, r, x, as_const(kv.of(r)), saved, dy, dx, dkv.of(r));
    }
    Parcels parcels(N);
    const auto own = dkv.of(ranks.rank), others = Base::take(c, N * own.rows());
    const auto from = [&](int r) { return others.middle_rows(r * own.rows(), own.rows()); };
    for (int r = 0; r < N; ++r) {
      if (r == ranks.rank) continue;
      parcels.send(r, dkv.of(r).data(), dkv.of(r).size());
      parcels.receive(r, from(r).data(), own.size());
    }
    parcels.exchange(ranks);
    for (int r = 0; r < N; ++r) {  // in the order of the ranks
      const auto part = as_const(r == ranks.rank ? own : from(r));
      if (r == 0) Base::copy(c, part, Base::pairs(dx));
      else add<typename C::backend_type>::run(c.backend, Base::pairs(dx), part, Base::pairs(dx));
    }
  }

 private:
  /// A part for each rank, one behind the other.
  template <class S> class Gathered {
   public:
    template <class C>
    Gathered(C const& c, PositionShares const& all)
        : all_(all), sequences_(c.batch->sequences), room_(Base::take(c, all.length * sequences_)) {}
    auto of(int rank) const {
      int first = 0;
      for (int r = 0; r < rank; ++r) first += all_.rows(r);
      return room_.middle_rows(first * sequences_, all_.rows(rank) * sequences_);
    }

   private:
    PositionShares const& all_;
    int sequences_;
    typename Base::template Pairs<S> room_;
  };
  template <class C, class G> static void gather(C const& c, G const& kv, In<C, Base::in> x) {
    auto const& ranks = *c.group;
    const auto own = kv.of(ranks.rank);
    Base::copy(c, Base::pairs(x), own);
    Parcels parcels(N);
    for (int r = 0; r < N; ++r) {
      if (r == ranks.rank) continue;
      parcels.send(r, own.data(), own.size());
      parcels.receive(r, kv.of(r).data(), kv.of(r).size());
    }
    parcels.exchange(ranks);
  }
};

/// Rows for heads and back. With T rows of a rank it sends (N - 1)/N of queries, keys and values in forward, and N - 1
/// shares of what comes of them; in backward the same the other way round. Attention itself is the whole model's.
template <int NHeads, int KvHeads, int HeadSize, Scores How, int N, position_split Split>
struct UlyssesAttention : Leaf<(NHeads + 2 * KvHeads) * HeadSize, NHeads * HeadSize> {
  static_assert(How.alibi == 0, "fauna: ALiBi's slopes are of all heads: ring or gather in place of ulysses");
  static constexpr const char* kind_name = "UlyssesAttention";
  static constexpr bool divides = NHeads % N == 0 && KvHeads % N == 0;
  using Whole = AttentionCore<NHeads, KvHeads, HeadSize, Rate{}, How>;
  using Own = AttentionCore<divides ? NHeads / N : 1, divides ? KvHeads / N : 1, HeadSize, Rate{}, How>;
  using fault = first_fault<typename Whole::fault,
                            std::conditional_t<divides, void, ranks_do_not_divide_heads<Whole, KvHeads, N>>>;

  template <class S> struct Saved {
    View<S, dyn, Own::in> x;
    View<S, dyn, Own::out> y;
    typename Own::template Saved<S> own;
  };
  template <class S> static constexpr void plan(Saved<S>& s, Shape const& shape, Arena& a) {
    const Shape all = whole(shape);
    s.x = a.take_view<S, dyn, Own::in>(all.rows());
    s.y = a.take_view<S, dyn, Own::out>(all.rows());
    Own::plan(s.own, all, a);
  }
  template <class B> static constexpr void plan_scratch(Shape const& shape, Arena& a) {
    using S = typename B::scalar;
    const Shape all = whole(shape);
    Scope scope(a);
    for (int i = 0; i < 3; ++i) a.take_view<S, dyn, Own::in>(all.rows());  // one's own rows, sent, received
    a.take_view<S, dyn, Own::out>(all.rows());
    Own::template plan_scratch<B>(all, a);
  }
  static constexpr double flops(double context) { return Whole::flops(context); }

  template <class C, class W, class St, class Sv>
  static void forward(C const& c, W const& w, St&, In<C, Whole::in> x, Out<C, Whole::out> y, Sv& saved) {
    using S = typename C::scalar;
    Scope s(c.scratch());
    const PositionShares all = shares(c, Split, N);
    const Batch batch = Batch::uniform(c.batch->sequences, all.length);
    if (!c.keeps()) {
      saved.x = c.scratch().template take_view<S, dyn, Own::in>(batch.rows);
      saved.y = c.scratch().template take_view<S, dyn, Own::out>(batch.rows);
    }
    const auto own_x = saved.x.middle_rows(0, batch.rows);
    const auto own_y = saved.y.middle_rows(0, batch.rows);
    to_heads(c, all, x, own_x);
    typename Own::template State<S> none;
    Own::forward(on(c, batch), w, none, as_const(own_x), own_y, saved.own);
    to_rows(c, all, as_const(own_y), y);
  }
  template <class C, class W, class G, class Sv, class St>
  static void backward(C const& c, W const& w, G& dw, In<C, Whole::in>, Sv& saved, In<C, Whole::out> dy,
                       Out<C, Whole::in> dx, St&) {
    using S = typename C::scalar;
    Scope s(c.scratch());
    const PositionShares all = shares(c, Split, N);
    const Batch batch = Batch::uniform(c.batch->sequences, all.length);
    const auto own_dy = c.scratch().template take_view<S, dyn, Own::out>(batch.rows);
    const auto own_dx = c.scratch().template take_view<S, dyn, Own::in>(batch.rows);
    to_heads(c, all, dy, own_dy);
    typename Own::template State<S> none;
    Own::backward(on(c, batch), w, dw, as_const(saved.x.middle_rows(0, batch.rows)), saved.own, as_const(own_dy),
                  own_dx, none);
    to_rows(c, all, as_const(own_dx), dx);
  }

 private:
  static constexpr Shape whole(Shape s) {
    s.length = N * (s.length + 2);  // a rank has two rows more than another at most
    s.total = 0;
    return s;
  }
  template <class C> static C on(C const& c, Batch const& batch) {
    C inner = c;
    inner.batch = &batch;
    return inner;
  }
  /// f(column of a row of all heads, columns, column of a row of a rank's heads) for its queries, and where there are
  /// some, its keys and values.
  template <int Width, class F> static void each_part(int rank, F&& f) {
    constexpr int q = Own::queries, kv = Own::keys;
    f(rank * q, q, 0);
    if constexpr (Width == Own::in) {
      f(N * q + rank * kv, kv, q);
      f(N * q + (N + rank) * kv, kv, q + kv);
    }
  }
  /// f(row of a rank's share, row of the whole sequences).
  template <class C, class F> static void each_row(C const& c, PositionShares const& all, int rank, F&& f) {
    int row = 0;
    for (int s = 0; s < c.batch->sequences; ++s)
      for (int i = 0; i < all.pieces(); ++i)
        for (int k = 0; k < all.piece(rank, i).rows; ++k) f(row++, s * all.length + all.piece(rank, i).first + k);
  }
  template <class S> static void copy(S* to, const S* from, int n) {
    for (int i = 0; i < n; ++i) to[i] = from[i];
  }
  /// Own rows of all heads to all rows of own heads.
  template <class C, class V, int Width>
  static void to_heads(C const& c, PositionShares const& all, V x, Out<C, Width> y) {
    using S = typename C::scalar;
    Scope s(c.scratch());
    auto const& ranks = *c.group;
    const int own = x.rows();
    const auto out = c.scratch().template take_view<S, dyn, Width>(N * own);
    const auto in = c.scratch().template take_view<S, dyn, Width>(y.rows());
    Parcels parcels(N);
    for (int r = 0, at = 0; r < N; ++r) {
      const int theirs = all.rows(r) * c.batch->sequences;
      for (int row = 0; row < own; ++row)
        each_part<Width>(r, [&](int from, int n, int to) { copy(out.row(r * own + row) + to, x.row(row) + from, n); });
      if (r == ranks.rank) {
        copy(in.row(at), out.row(r * own), own * Width);
      } else {
        parcels.send(r, out.row(r * own), static_cast<std::size_t>(own) * Width);
        parcels.receive(r, in.row(at), static_cast<std::size_t>(theirs) * Width);
      }
      at += theirs;
    }
    parcels.exchange(ranks);
    for (int r = 0, at = 0; r < N; at += all.rows(r) * c.batch->sequences, ++r)
      each_row(c, all, r, [&](int row, int whole) { copy(y.row(whole), in.row(at + row), Width); });
  }
  /// All rows of own heads to own rows of all heads.
  template <class C, class V, int Width>
  static void to_rows(C const& c, PositionShares const& all, In<C, Width> y, V x) {
    using S = typename C::scalar;
    Scope s(c.scratch());
    auto const& ranks = *c.group;
    const int own = x.rows();
    const auto out = c.scratch().template take_view<S, dyn, Width>(y.rows());
    const auto in = c.scratch().template take_view<S, dyn, Width>(N * own);
    Parcels parcels(N);
    for (int r = 0, at = 0; r < N; ++r) {
      const int theirs = all.rows(r) * c.batch->sequences;
      each_row(c, all, r, [&](int row, int whole) { copy(out.row(at + row), y.row(whole), Width); });
      if (r == ranks.rank) {
        copy(in.row(r * own), out.row(at), own * Width);
      } else {
        parcels.send(r, out.row(at), static_cast<std::size_t>(theirs) * Width);
        parcels.receive(r, in.row(r * own), static_cast<std::size_t>(own) * Width);
      }
      at += theirs;
    }
    parcels.exchange(ranks);
    for (int r = 0; r < N; ++r)
      for (int row = 0; row < own; ++row)
        each_part<Width>(r, [&](int to, int n, int from) { copy(x.row(row) + to, in.row(r * own + row) + from, n); });
  }
};

template <shared_attention Form, int NHeads, int KvHeads, int HeadSize, Scores How, int N, position_split Split>
using SharedAttentionOf = std::conditional_t<
    Form == shared_attention::ring, std::type_identity<RingAttention<NHeads, KvHeads, HeadSize, How, N, Split>>,
    std::conditional_t<Form == shared_attention::gather,
                       std::type_identity<GatheredAttention<NHeads, KvHeads, HeadSize, How, N, Split>>,
                       std::type_identity<UlyssesAttention<NHeads, KvHeads, HeadSize, How, N, Split>>>>;

}  // namespace context_parallel_detail

}  // namespace fauna::inline v0
