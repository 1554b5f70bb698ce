// The states after each row of a pass, of RWKV.
#include <type_traits>

#include <fauna/models/rwkv4.hpp>
#include <fauna/models/rwkv6.hpp>
#include <fauna/models/rwkv7.hpp>

#include "../support/rewind_check.hpp"

namespace test_rewind_rwkv {

using namespace fauna;

namespace {

using Small4 = Rwkv4<Rwkv4Config{.layers = 2, .width = 12, .hidden = 20, .vocab = 13}>;
using Small6 =
    Rwkv6<Rwkv6Config{.layers = 2, .heads = 2, .width = 12, .hidden = 20, .mix = 3, .decay = 4, .vocab = 13}>;
using Small7 = Rwkv7<Rwkv7Config{
    .layers = 2, .heads = 2, .width = 24, .hidden = 20, .decay = 3, .learning = 3, .value = 2, .gate = 4, .vocab = 13}>;

}  // namespace

TEST_CASE_TEMPLATE("states by row are those of reading row by row", M, Small4, Small6, Small7) {
  test::RewindCheck<M> copied{.how = rewinds::all_states}, folded{.how = rewinds::factors};
  for (auto* check : {&copied, &folded}) {
    check->chains();
    check->many();
    check->trees();
  }
  if constexpr (std::is_same_v<M, Small4>) CHECK(folded.kept == copied.kept);  // its state is no larger than a row
  else CHECK(folded.kept < copied.kept);
}

}  // namespace test_rewind_rwkv
