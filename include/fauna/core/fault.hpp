// Compositions compute what is wrong with them as a type, and never assert. One static_assert stands where a model is
// used, so the compiler prints one short error with both blocks and both numbers instead of a page of nested ones.
#pragma once
#include <type_traits>

#include <fauna/core/label.hpp>

namespace fauna::inline v0 {

// What can be wrong. Declared, never defined: they exist to be printed.
template <class First, class Second, int Gives, int Wants> struct widths_differ;
template <class Block, int Reads, int Writes> struct residual_changes_width;
template <class Layer, int Reads, int Writes> struct layer_changes_width;
template <class First, class Second, int FirstReads, int SecondReads> struct branches_read_other_widths;
template <class First, class Second, int FirstWrites, int SecondWrites> struct branches_write_other_widths;
template <class Block, int Rotary> struct rotary_width_is_odd;
template <class Block, int Rotary, int HeadSize> struct rotary_width_exceeds_head;
template <class Block, int Width, int Heads> struct heads_do_not_divide_width;
template <class Block, int Heads, int KeyHeads> struct key_heads_do_not_divide_heads;
template <class Block, int Heads, int Groups> struct groups_do_not_divide_heads;
template <class Block, int Window> struct window_sees_no_row;
template <class Block, int Heads, int Ranks> struct ranks_do_not_divide_heads;
template <class Block, int Columns, int Ranks> struct ranks_do_not_divide_columns;
template <class Block, int Tokens, int Ranks> struct rank_without_tokens;
template <class Block> struct rows_are_on_several_ranks;
template <class Expert, int Experts, int Ranks> struct ranks_do_not_divide_experts;

template <label Name, class B> struct At;

/// A block without the labels around it.
template <class B> struct bare_ { using type = B; };
template <label N, class B> struct bare_<At<N, B>> : bare_<B> {};
template <class B> using bare = typename bare_<B>::type;

/// The first fault that is not void.
template <class... F> struct first_fault_ { using type = void; };
template <class F, class... R>
struct first_fault_<F, R...> : std::conditional_t<std::is_void_v<F>, first_fault_<R...>, std::type_identity<F>> {};
template <class... F> using first_fault = typename first_fault_<F...>::type;

/// The one place that asserts. `Fault` is spelled out in the error.
template <class Fault> constexpr bool legal() {
  static_assert(std::is_void_v<Fault>,
                "fauna: illegal model. See Fault: widths_differ<first block, second block, gives, wants>, ...");
  return std::is_void_v<Fault>;
}

}  // namespace fauna::inline v0
