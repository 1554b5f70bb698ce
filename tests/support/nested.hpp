// Every combinator inside a given one, as types: gradients, rows with gaps, frozen weights and absent states.
#pragma once
#include <fauna/blocks/activation.hpp>
#include <fauna/blocks/norm.hpp>
#include <fauna/compose/concat.hpp>
#include <fauna/compose/parallel.hpp>
#include <fauna/compose/recompute.hpp>
#include <fauna/compose/residual.hpp>
#include <fauna/compose/share.hpp>
#include <fauna/compose/stack.hpp>
#include <fauna/compose/stored_as.hpp>
#include <fauna/ops/ref.hpp>

#include "gradients.hpp"
#include "toys.hpp"

namespace test::nested {

using namespace fauna;
inline constexpr int N = 3;  // all of these read and write rows of N columns

template <class B> using First = Seq<B, Gelu<N>>;
template <class B> using Last = Seq<LayerNorm<N>, B>;
template <class B> using InAt = At<"inside", B>;
template <class B> using InStack = Stack<0, 2, B, Residual<B>>;
template <class B> using InConcat = Seq<Concat<B, Linear<N, 2>, B>, Linear<2 * N + 2, N>>;
template <class B> using InParallel = Parallel<B, LayerNorm<N>>;
template <class B> using Shared = Share<"twice", B, Seq<Use<"twice", B>, Use<"twice", B>>>;
template <class B> using InCarry = Carry<"stream", N, Stack<0, 2, Seq<CarryMix<"stream", N>, B>>>;
template <class B> using InStored = StoredAs<conv1d, B>;

/// A product, which can add, and a recurrence, which cannot, in all combinators in Outer.
template <template <class> class Outer> void check_everything_in() {
  using Product = Linear<N, N>;
  check<Outer<Scan<N>>>();
  check<Outer<First<Product>>>();
  check<Outer<Last<Product>>>();
  check<Outer<InAt<Product>>>();
  check<Outer<InStack<Product>>>();
  check<Outer<InConcat<Product>>>();
  check<Outer<InParallel<Product>>>();
  check<Outer<Residual<Product>>>();
  check<Outer<Recompute<Product>>>();
  check<Outer<Shared<Product>>>();
  check<Outer<InCarry<Product>>>();
  check<Outer<InStored<Product>>>();
}

}  // namespace test::nested
