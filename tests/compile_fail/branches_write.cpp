// Two branches are added, but one gives 128 and the other 256 columns.
// expect: branches_write_other_widths Linear 128 256
#include <fauna/blocks/linear.hpp>
#include <fauna/compose/at.hpp>
#include <fauna/compose/parallel.hpp>

using namespace fauna;
static_assert(legal<Parallel<At<"attn", Linear<128, 128>>, At<"mlp", Linear<128, 256>>>::fault>());
