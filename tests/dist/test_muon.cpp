// Muon on ranks that have whole matrices, and its refusal by those that do not.
#include "ranks.hpp"

namespace test_muon {

using namespace fauna;
using doctest::Contains;
using test::left_by, test::left_on, test::Single;

TEST_SUITE("muon on ranks") {
  TEST_CASE("1, 2 and 3 ranks leave the same bits") {
    TrainOptions o = test::options(6, 2);
    o.muon = MuonOptions{};
    Solo solo;
    const auto one = left_by<Single>(DataParallel(solo, 6), o, 3);
    for (int n = 1; n < 4; ++n) test::require_equal(left_on<Single, 0>(n, 6, o, 3), one);
    o.muon.reset();
    CHECK(test::distance(left_by<Single>(DataParallel(solo, 6), o, 3).values, one.values) > 1e-4);
  }

  TEST_CASE("ZeRO's stages, which cut matrices, are refused") {
    TrainOptions o = test::options(4, 1);
    o.muon = MuonOptions{};
    CHECK_THROWS_WITH_AS((left_on<Single, 1>(1, 0, o, 1)), Contains("Muon with ZeRO's stage 1, expected stage 0"),
                         error);
    CHECK_THROWS_WITH_AS((left_on<Single, 3>(1, 0, o, 1)), Contains("Muon with ZeRO's stage 3, expected stage 0"),
                         error);
  }
}

}  // namespace test_muon
