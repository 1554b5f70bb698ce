// As test_mesh.cpp, of a recurrence: copies of a pipeline, and copies whose ranks hand its state on.
#include <fauna/models/mamba2.hpp>

#include "context_parallel_check.hpp"
#include "mesh_check.hpp"

namespace test_mesh_mamba2 {

using namespace fauna;
using namespace test::in_mesh;

namespace {

using SmallMamba =
    Mamba2<Mamba2Config{.layers = 2, .width = 8, .heads = 4, .head_size = 4, .states = 3, .groups = 2, .vocab = 27}>;

}  // namespace

TEST_SUITE("mesh") {
  TEST_CASE("copies of Mamba-2 in two stages are the whole one") {
    check_stages<DataParallel<test::ThreadRank>>(Plain<SmallMamba>(3), 4);
  }
  TEST_CASE("copies of Mamba-2 on two ranks with some positions each are the whole one") {
    test::shared_rows::check<SmallMamba, context_parallel<SmallMamba, 2>, 3>(2, 3);
  }
}

}  // namespace test_mesh_mamba2
