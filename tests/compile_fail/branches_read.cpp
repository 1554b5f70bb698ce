// Two branches that should read the same rows read rows of 128 and of 64 columns.
// expect: branches_read_other_widths Linear 128 64
#include <fauna/blocks/linear.hpp>
#include <fauna/compose/at.hpp>
#include <fauna/compose/concat.hpp>

using namespace fauna;
static_assert(legal<Concat<At<"gate", Linear<128, 256>>, At<"up", Linear<64, 256>>>::fault>());
