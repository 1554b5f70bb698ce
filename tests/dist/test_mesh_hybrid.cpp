// As test_mesh.cpp, of a hybrid: stages with a scan, attention and a mixture of experts, whose copies share moments.
#include <fauna/models/jamba.hpp>

#include "mesh_check.hpp"

namespace test_mesh_hybrid {

using namespace fauna;
using namespace test::in_mesh;
using test::ThreadRank;

namespace {

using SmallJamba = Jamba<JambaConfig{
    {.layers = 4, .heads = 2, .kv_heads = 1, .head_size = 6, .width = 12, .hidden = 16, .context = 12, .vocab = 27},
    {.mixers = "ma", .mlps = "de"},
    {.experts = 3, .chosen = 2, .expert_hidden = 8, .balance = 0},
    {.inner = 20, .states = 5, .rank = 3, .taps = 3}}>;

}  // namespace

TEST_CASE("copies of Jamba in two stages share moments, and are the whole one") {
  check_stages<DataParallel<ThreadRank, 1>>(Plain<SmallJamba>(3), 4);
}

}  // namespace test_mesh_hybrid
