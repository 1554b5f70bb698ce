// As test_context_parallel.cpp, of delta rules, whose states go from rank to rank: RWKV-7's with its token shifts, and
// a gated one between layers of attention, which then has contiguous shares too.
#include <doctest/doctest.h>

#include <fauna/models/qwen3_next.hpp>
#include <fauna/models/rwkv7.hpp>

#include "context_parallel_check.hpp"

namespace test_context_parallel_delta {

using namespace fauna;
using namespace test::shared_rows;

namespace {

using SmallRwkv = Rwkv7<Rwkv7Config{
    .layers = 2, .heads = 2, .width = 8, .hidden = 16, .decay = 4, .learning = 4, .value = 4, .gate = 4, .vocab = 27}>;
using SmallNext = Qwen3Next<Qwen3NextConfig{
    {.layers = 2, .heads = 4, .kv_heads = 2, .head_size = 8, .width = 16, .hidden = 24, .context = 12, .vocab = 27},
    {.mixers = "ga", .mlps = "d"},
    {.experts = 2, .chosen = 1, .expert_hidden = 8, .shared_hidden = 8},
    {.rule_heads = 4, .key_heads = 2, .keys = 4, .values = 8, .taps = 4}}>;

}  // namespace

TEST_SUITE("context_parallel") {
  TEST_CASE("RWKV-7 on 3 ranks is that of one") { check<SmallRwkv, context_parallel<SmallRwkv, 3>>(); }
  TEST_CASE("copies of RWKV-7 on 3 ranks are that of one") { check<SmallRwkv, context_parallel<SmallRwkv, 3>>(2); }
  TEST_CASE("Qwen3-Next on 2 ranks is that of one") { check<SmallNext, context_parallel<SmallNext, 2>>(); }
  TEST_CASE("copies of Qwen3-Next on 2 ranks are that of one") {
    check<SmallNext, context_parallel<SmallNext, 2>>(3, 1);
  }
}

}  // namespace test_context_parallel_delta
