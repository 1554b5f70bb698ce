// The states after each row of a pass, of linear attention's kin, and where they stand beside keys and values or count
// what experts have served.
#include <fauna/models/linear_lm.hpp>
#include <fauna/models/switch_lm.hpp>

#include "../support/rewind_check.hpp"
#include "../support/small_gemma.hpp"

namespace test_rewind_kinds {

using namespace fauna;
using test::SmallGemma;

namespace {

template <mixing Mixer>
using Linear = LinearLm<LinearLmConfig{
    .mixer = Mixer, .layers = 1, .heads = 2, .keys = 8, .values = 8, .width = 16, .hidden = 12, .vocab = 13}>;
using Delta = Linear<mixing::gated_deltanet>;
using Memory = Linear<mixing::mlstm>;
using Small3 = Linear<mixing::mamba3>;
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

TEST_CASE_TEMPLATE("states by row are those of reading row by row", M, Delta, Memory, Small3, SmallGemma, Serving) {
  test::RewindCheck<M> check;
  check.chains();
  if constexpr (ConstantState<M>) check.trees();
}

}  // namespace test_rewind_kinds
