// As test_mesh.cpp, of copies in sequence parallel, which add the gradients of what is on all ranks in all of ZeRO's
// stages: of what a rank keeps of it.
#include "mesh_check.hpp"
#include "sequence_parallel_check.hpp"

namespace test_mesh_rows {

using namespace fauna;
using namespace test::in_mesh;
using test::ThreadRank;

namespace {

template <int Zero, class C = ThreadRank, class... How> void check(int copies, int accumulation, How... how) {
  CAPTURE(Zero);
  check_parts<SequenceParallel<C, DataParallel<C, Zero>>, C>(
      Plain(accumulation, 8), 2 * copies, [] { return test::in_rows::RowShare<SmallGpt, 2>(seed{5}, 1); }, how...);
}

}  // namespace

TEST_SUITE("mesh") {
  TEST_CASE("copies of a model in sequence parallel are the whole one, whatever they share") {
    check<0>(2, 2);
    check<1>(2, 1);
    check<2>(2, 2);
    check<3>(3, 2);
  }
  TEST_CASE("and so they are where copies exchange gradients and weights while they compute") {
    check<0, test::AsyncThreadRank>(2, 2, overlap::on);
    check<3, test::AsyncThreadRank>(2, 2, overlap::on);
  }
}

}  // namespace test_mesh_rows
