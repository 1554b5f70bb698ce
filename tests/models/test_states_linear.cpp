// Training from states, and of states: linear attention's kin.
#include <fauna/models/linear_lm.hpp>

#include "../support/state_check.hpp"

namespace test_states_linear {

namespace {

using fauna::mixing;
template <mixing M>
using Small = fauna::LinearLm<fauna::LinearLmConfig{
    .mixer = M, .layers = 1, .heads = 2, .keys = 4, .values = 5, .width = 12, .hidden = 20, .vocab = 13}>;

}  // namespace

TEST_SUITE("states") {
  TEST_CASE_TEMPLATE("training in pieces, packed, padded, and of a state", M, Small<mixing::retnet>, Small<mixing::gla>,
                     Small<mixing::deltanet>, Small<mixing::gated_deltanet>, Small<mixing::kda>, Small<mixing::mlstm>,
                     Small<mixing::rg_lru>) {
    test::check_state<M>();
  }
}

}  // namespace test_states_linear
