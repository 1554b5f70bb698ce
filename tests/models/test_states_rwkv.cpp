// Training from states, and of states: RWKV.
#include <fauna/models/rwkv4.hpp>
#include <fauna/models/rwkv5.hpp>
#include <fauna/models/rwkv6.hpp>
#include <fauna/models/rwkv7.hpp>

#include "../support/state_check.hpp"

namespace test_states_rwkv {

namespace {

using namespace fauna;
using Small4 = Rwkv4<Rwkv4Config{.layers = 2, .width = 12, .hidden = 20, .vocab = 13}>;
using Small5 = Rwkv5<Rwkv5Config{.layers = 2, .heads = 2, .width = 12, .hidden = 20, .vocab = 13}>;
using Small6 =
    Rwkv6<Rwkv6Config{.layers = 2, .heads = 2, .width = 12, .hidden = 20, .mix = 3, .decay = 4, .vocab = 13}>;
using Small7 = Rwkv7<Rwkv7Config{
    .layers = 2, .heads = 2, .width = 12, .hidden = 20, .decay = 3, .learning = 3, .value = 2, .gate = 4, .vocab = 13}>;

}  // namespace

TEST_SUITE("states") {
  TEST_CASE_TEMPLATE("training in pieces, packed, padded, and of a state", M, Small4, Small5, Small6, Small7) {
    test::check_state<M>();
  }
}

}  // namespace test_states_rwkv
