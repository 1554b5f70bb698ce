// The states after each row of a pass, of models whose state has one size.
#include <type_traits>

#include <fauna/models/mamba.hpp>
#include <fauna/models/mamba2.hpp>
#include <fauna/models/rwkv4.hpp>
#include <fauna/models/rwkv6.hpp>
#include <fauna/models/rwkv7.hpp>

#include "../support/rewind_check.hpp"

namespace test_rewind_states {

using namespace fauna;

namespace {

using Small1 = Mamba<MambaConfig{.layers = 2, .width = 12, .inner = 24, .states = 5, .rank = 2, .vocab = 13}>;
using Small2 = Mamba2<Mamba2Config{.layers = 2, .width = 12, .heads = 3, .head_size = 8, .states = 5, .vocab = 13}>;
using Small4 = Rwkv4<Rwkv4Config{.layers = 2, .width = 12, .hidden = 20, .vocab = 13}>;
using Small6 =
    Rwkv6<Rwkv6Config{.layers = 2, .heads = 2, .width = 12, .hidden = 20, .mix = 3, .decay = 4, .vocab = 13}>;
using Small7 = Rwkv7<Rwkv7Config{
    .layers = 2, .heads = 2, .width = 24, .hidden = 20, .decay = 3, .learning = 3, .value = 2, .gate = 4, .vocab = 13}>;

}  // namespace

TEST_CASE_TEMPLATE("states by row are those of reading row by row", M, Small1, Small2, Small4, Small6, Small7) {
  test::RewindCheck<M> copied{.how = rewinds::all_states}, folded{.how = rewinds::factors};
  for (auto* check : {&copied, &folded}) {
    check->chains();
    check->many();
    check->trees();
  }
  if constexpr (std::is_same_v<M, Small4>) CHECK(folded.kept == copied.kept);  // its state is no larger than a row
  else CHECK(folded.kept < copied.kept);
}

TEST_CASE("the policies of a rewind have names") {
  CHECK(rewinds_of("auto") == rewinds::automatic);
  CHECK(rewinds_of("all_states") == rewinds::all_states);
  CHECK(rewinds_of("factors") == rewinds::factors);
  CHECK_THROWS_WITH(rewinds_of("rows"),
                    "[speculate] a rewind by rows, expected auto, copy, all_states, factors or replay");
}

}  // namespace test_rewind_states
