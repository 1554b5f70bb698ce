// context_parallel<M, N>: model M as each of N ranks runs it on its share of every sequence's positions
// (core/position_shares.hpp). All ranks have all weights; their gradients are to be added. What looks at other rows is
// replaced:
//   attention    in one of three forms (blocks/shared_attention.hpp)
//   states       of scans, recurrences, token shifts and convolutions enter from the rank before and leave for the next
//                one; their gradients the other way. Ranks have contiguous shares
// The rest works row by row, and asks the batch for the rows' positions.
#pragma once
#include <string>
#include <type_traits>

#include <fauna/blocks/dropout.hpp>
#include <fauna/blocks/shared_attention.hpp>
#include <fauna/compose/rewrite.hpp>
#include <fauna/core/concepts.hpp>

namespace fauna::inline v0 {

// What can be wrong with context parallel, beside what can be with the model.
template <class Block> struct states_pass_between_contiguous_shares;

namespace context_parallel_detail {

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

/// Does it look at other rows in some way that is not known here? Of combinators those that say whether they are
/// causal, such as experts that serve so many rows.
template <class B> constexpr bool looks_around() {
  if constexpr (!Block<B>) return false;
  else if constexpr (requires { B::causal; }) return !B::causal || (Composite<B> && Stateful<B>);
  else return !Composite<B> && Stateful<B> && !ConstantState<B>;
}

/// What becomes of a block; void: it is looked into.
template <class B, int N, shared_attention Form, position_split Split> struct share { using type = void; };
template <class B, int N, shared_attention Form, position_split Split>
requires(looks_around<B>()) struct share<B, N, Form, Split> {
  static_assert(always_false<B>,
                "fauna: context_parallel does not know how ranks share the rows of this block (see B)");
};
template <class B, int N, shared_attention Form, position_split Split>
requires(carries<B>()) struct share<B, N, Form, Split> {
  using type = Relay<B, N, Split>;
};
template <int NHeads, int KvHeads, int HeadSize, Rate Drop, Scores How, int N, shared_attention Form,
          position_split Split>
struct share<AttentionCore<NHeads, KvHeads, HeadSize, Drop, How>, N, Form, Split> {
  static_assert(Drop == Rate{0}, "fauna: context_parallel has no dropout");
  static_assert(!How.sinks, "fauna: context_parallel has no attention with sinks");
  using type = typename SharedAttentionOf<Form, NHeads, KvHeads, HeadSize, How, N, Split>::type;
};
template <int Width, int NHeads, Rate Drop, int N, shared_attention Form, position_split Split>
struct share<MultiHead<Width, NHeads, Drop>, N, Form, Split>
    : share<AttentionCore<NHeads, NHeads, Width / NHeads, Drop>, N, Form, Split> {};
template <int Width, Rate P, int N, shared_attention Form, position_split Split>
struct share<Dropout<Width, P>, N, Form, Split> {
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

template <int N, shared_attention Form, position_split Split> struct InContextParallel {
  static_assert(N >= 1, "fauna: context_parallel is for one rank or more");
  static constexpr int ranks = N;
  static constexpr position_split split = Split;
  static std::string text() { return "context parallel " + std::to_string(N); }
  static constexpr bool original_checkpoints = true;
  template <class B> static constexpr auto replace() {
    if constexpr (requires { B::depths; })
      static_assert(B::depths == 0, "fauna: context_parallel is for models that predict the next token alone");
    using New = typename context_parallel_detail::share<B, N, Form, Split>::type;
    if constexpr (!std::is_void_v<New>) return std::type_identity<New>{};
  }
};

/// How a model's positions are dealt best: contiguous where something is carried along them, else zigzag.
template <class M>
inline constexpr position_split best_split = context_parallel_detail::any_carries<M>() ? position_split::contiguous
                                                                                       : position_split::zigzag;

template <class M, int N, shared_attention Form = shared_attention::ring, position_split Split = best_split<M>>
using context_parallel = rewrite<M, InContextParallel<N, Form, Split>>;

}  // namespace fauna::inline v0
