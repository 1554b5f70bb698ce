// The states after each row of a pass, of Mamba.
#include <fauna/models/mamba.hpp>
#include <fauna/models/mamba2.hpp>

#include "../support/rewind_check.hpp"

namespace test_rewind_states {

using namespace fauna;

namespace {

using Small1 = Mamba<MambaConfig{.layers = 2, .width = 12, .inner = 24, .states = 5, .rank = 2, .vocab = 13}>;
using Small2 = Mamba2<Mamba2Config{.layers = 2, .width = 12, .heads = 3, .head_size = 8, .states = 5, .vocab = 13}>;
}  // namespace

TEST_CASE_TEMPLATE("states by row are those of reading row by row", M, Small1, Small2) {
  test::RewindCheck<M> copied{.how = rewinds::all_states}, folded{.how = rewinds::factors};
  for (auto* check : {&copied, &folded}) {
    check->chains();
    check->many();
    check->trees();
  }
  CHECK(folded.kept < copied.kept);
}

TEST_CASE("the policies of a rewind have names") {
  CHECK(rewinds_of("auto") == rewinds::automatic);
  CHECK(rewinds_of("all_states") == rewinds::all_states);
  CHECK(rewinds_of("factors") == rewinds::factors);
  CHECK_THROWS_WITH(rewinds_of("rows"),
                    "[speculate] a rewind by rows, expected auto, copy, all_states, factors or replay");
}

}  // namespace test_rewind_states
