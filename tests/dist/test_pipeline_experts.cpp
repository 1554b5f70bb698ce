// As test_pipeline_rounds.cpp, of a mixture: some experts have no rows in a batch, a rank's two stages have side losses
// each, and layers are run again in the backward pass that puts products off.
#include <doctest/doctest.h>

#include <fauna/compose/recomputed.hpp>
#include <fauna/models/mixtral.hpp>

#include "pipeline_check.hpp"

namespace test_pipeline_experts {

using namespace fauna;
using namespace test::in_stages;

namespace {

using SmallMixtral = Mixtral<MixtralConfig{.layers = 4,
                                           .heads = 2,
                                           .kv_heads = 1,
                                           .head_size = 4,
                                           .width = 8,
                                           .hidden = 8,
                                           .experts = 12,
                                           .context = 12,
                                           .vocab = vocab,
                                           .balance = 0.5F}>;

}  // namespace

TEST_CASE("pipeline: Mixtral on 2 ranks of two stages, with layers run again, is the whole one") {
  check<recomputed<SmallMixtral>, 2, 2>({pipeline_schedule::interleaved, pipeline_schedule::zb1p}, 4);
}

}  // namespace test_pipeline_experts
