// As test_mesh.cpp, of copies that share what ZeRO's stages say: a model in tensor parallel in all of them, a pipeline
// in the first.
#include "mesh_check.hpp"

namespace test_mesh_zero {

using namespace fauna;
using namespace test::in_mesh;
using test::ThreadRank;

namespace {

template <int N> using stage = std::integral_constant<int, N>;

}  // namespace

TEST_SUITE("mesh_zero") {
  TEST_CASE("copies of a model in two tensor parallel parts share moments, gradients and weights") {
    const auto check = [&]<int Zero>(stage<Zero>, int copies, int accumulation) {
      CAPTURE(Zero);
      check_parts<TensorParallel<ThreadRank, DataParallel<ThreadRank, Zero>>>(
          Plain(accumulation), 2 * copies, [] { return test::in_parts::Part<SmallGpt, 2>(seed{5}, 1); });
    };
    check(stage<1>{}, 2, 2);
    check(stage<2>{}, 2, 2);
    check(stage<3>{}, 2, 2);
    check(stage<3>{}, 3, 1);
  }
  TEST_CASE("copies of a pipeline of two stages share moments") {
    check_stages<DataParallel<ThreadRank, 1>>(Plain(3), 4);
  }
}

}  // namespace test_mesh_zero
