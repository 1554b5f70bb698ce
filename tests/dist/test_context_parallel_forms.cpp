// As test_context_parallel.cpp, of all forms of attention, in a model with fewer heads of keys and a window.
#include <doctest/doctest.h>

#include <fauna/models/mistral.hpp>

#include "context_parallel_check.hpp"

namespace test_context_parallel_forms {

using namespace fauna;
using namespace test::shared_rows;

namespace {

using SmallMistral = Mistral<MistralConfig{.layers = 2,
                                           .heads = 4,
                                           .kv_heads = 2,
                                           .head_size = 6,
                                           .width = 16,
                                           .hidden = 20,
                                           .context = 12,
                                           .vocab = 27,
                                           .window = 6,
                                           .full_every = unbounded}>;
constexpr std::size_t all_heads = 4 * 6, key_heads = 2 * 6, layers = 2;
template <int N, shared_attention Form> using Shared = context_parallel<SmallMistral, N, Form>;

std::size_t rows_of(int rank, int ranks) {
  return static_cast<std::size_t>(batch * PositionShares{position_split::zigzag, ranks, context}.rows(rank));
}

}  // namespace

TEST_SUITE("context_parallel") {
  TEST_CASE("attention with a window on ranks is that of one, in all forms") {
    check<SmallMistral, Shared<4, shared_attention::ring>>();
    check<SmallMistral, Shared<2, shared_attention::gather>>();
    check<SmallMistral, Shared<3, shared_attention::gather>>();
    check<SmallMistral, Shared<2, shared_attention::ulysses>>();
  }
  TEST_CASE("what is gathered: keys and values of a rank, twice, and gradients of the others'") {
    const auto bytes = bytes_of_a_pass<Shared<3, shared_attention::gather>>();
    for (int r = 0; r < 3; ++r)
      CHECK(bytes[static_cast<std::size_t>(r)] ==
            8 * layers * 2 * key_heads * (2 * 2 * rows_of(r, 3) + rows - rows_of(r, 3)));
  }
  TEST_CASE("what is exchanged: half of a rank's queries, keys and values, and of what comes of them, both ways") {
    const auto bytes = bytes_of_a_pass<Shared<2, shared_attention::ulysses>>();
    for (int r = 0; r < 2; ++r)
      CHECK(bytes[static_cast<std::size_t>(r)] == 8 * layers * rows * (2 * all_heads + 2 * key_heads) / 2);
  }
}

}  // namespace test_context_parallel_forms
