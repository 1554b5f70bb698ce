// As test_context_parallel.cpp, of models whose states go from rank to rank: those of scans and of convolutions.
#include <doctest/doctest.h>

#include <fauna/models/mamba.hpp>
#include <fauna/models/mamba2.hpp>

#include "context_parallel_check.hpp"

namespace test_context_parallel_mamba {

using namespace fauna;
using namespace test::shared_rows;

namespace {

using SmallMamba = Mamba<MambaConfig{.layers = 2, .width = 8, .inner = 16, .states = 4, .rank = 2, .vocab = 27}>;
using SmallMamba2 =
    Mamba2<Mamba2Config{.layers = 2, .width = 8, .heads = 4, .head_size = 4, .states = 3, .groups = 2, .vocab = 27}>;

}  // namespace

TEST_SUITE("context_parallel") {
  TEST_CASE("Mamba on 2 and 4 ranks is that of one, in contiguous shares") {
    static_assert(best_split<SmallMamba> == position_split::contiguous);
    check<SmallMamba, context_parallel<SmallMamba, 2>>();
    check<SmallMamba, context_parallel<SmallMamba, 4>>();
  }
  TEST_CASE("Mamba-2 on 3 ranks is that of one") { check<SmallMamba2, context_parallel<SmallMamba2, 3>>(); }
  TEST_CASE("a state of each layer goes on, and its gradient back, whatever the length") {
    const auto bytes = bytes_of_a_pass<context_parallel<SmallMamba, 3>>();
    const std::size_t states = state_bytes<SmallMamba, double>(Shape{.sequences = batch});
    CHECK(bytes == std::vector{states, 2 * states, states});
  }
}

}  // namespace test_context_parallel_mamba
