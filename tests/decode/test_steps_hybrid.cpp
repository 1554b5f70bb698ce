// Models whose layers are of several kinds: one cache has keys and values for some layers and states for the others.
// The same bits at once, in chunks, by tokens, back at a mark, and in batches; documents packed in one sequence.
#include <doctest/doctest.h>

#include <fauna/models/jamba.hpp>

#include "../support/decode_check.hpp"
#include "../support/small_gemma.hpp"
#include "../support/state_check.hpp"

namespace test_steps_hybrid {

using namespace fauna;
using test::SmallGemma;

namespace {

/// Without the loss of balance, which counts padding.
using SmallJamba = Jamba<JambaConfig{
    {.layers = 4, .heads = 2, .kv_heads = 1, .head_size = 6, .width = 12, .hidden = 16, .context = 530, .vocab = 13},
    {.mixers = "mam", .mlps = "de"},
    {.experts = 3, .chosen = 2, .expert_hidden = 8, .balance = 0},
    {.inner = 20, .states = 5, .rank = 3, .taps = 3}}>;
static_assert(!ConstantState<SmallJamba> && !ConstantState<SmallGemma>);

}  // namespace

TEST_CASE_TEMPLATE("hybrids: a long prompt has the same bits at once, in chunks and by tokens", M, SmallJamba,
                   SmallGemma) {
  test::check_chunks<M, f32_products>();
}
TEST_CASE_TEMPLATE("hybrids: back to a mark", M, SmallJamba, SmallGemma) { test::check_rewind<M, f32_products>(); }
TEST_CASE_TEMPLATE("hybrids: batches of 1 to 16", M, SmallJamba, SmallGemma) { test::check_batches<M, f32_products>(); }
TEST_CASE_TEMPLATE("hybrids: documents, packed or padded, are sequences of their own", M, SmallJamba, SmallGemma) {
  test::StateCheck<M>::documents();
}

}  // namespace test_steps_hybrid
