// The states after each row of a pass, of linear attention's kin.
#include <fauna/models/linear_lm.hpp>

#include "../support/rewind_check.hpp"

namespace test_rewind_kinds {

using namespace fauna;

namespace {

template <mixing Mixer>
using Linear = LinearLm<LinearLmConfig{
    .mixer = Mixer, .layers = 1, .heads = 2, .keys = 8, .values = 8, .width = 16, .hidden = 12, .vocab = 13}>;
using Delta = Linear<mixing::gated_deltanet>;
using Memory = Linear<mixing::mlstm>;
using Small3 = Linear<mixing::mamba3>;

}  // namespace

TEST_CASE_TEMPLATE("states by row are those of reading row by row", M, Delta, Memory, Small3) {
  test::RewindCheck<M> copied{.how = rewinds::all_states}, folded{.how = rewinds::factors};
  for (auto* check : {&copied, &folded}) {
    check->chains();
    check->many();
    check->trees();
  }
  CHECK(folded.kept < copied.kept);
}

}  // namespace test_rewind_kinds
