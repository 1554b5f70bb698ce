// The states after each row of a pass, where they stand beside keys and values or count what experts have served.
#include <fauna/models/switch_lm.hpp>

#include "../support/rewind_check.hpp"
#include "../support/small_gemma.hpp"

namespace test_rewind_hybrids {

using namespace fauna;
using test::SmallGemma;

namespace {

using Serving = SwitchLm<SwitchLmConfig{.layers = 2,
                                        .heads = 2,
                                        .head_size = 8,
                                        .width = 16,
                                        .hidden = 20,
                                        .experts = 4,
                                        .context = 640,
                                        .vocab = 13,
                                        .capacity = 0.2F}>;

}  // namespace

TEST_CASE_TEMPLATE("states by row are those of reading row by row", M, SmallGemma, Serving) {
  test::RewindCheck<M> copied{.how = rewinds::all_states}, folded{.how = rewinds::factors};
  copied.chains();
  folded.chains();
  CHECK(folded.kept == copied.kept);  // they are no larger than rows
}

}  // namespace test_rewind_hybrids
