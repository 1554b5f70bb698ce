#include <doctest/doctest.h>

#include <fauna/ops/scale/cpu.hpp>
#include <fauna/ops/scale/ref.hpp>

#include "support/compare.hpp"
#include "support/op_check.hpp"
#include "support/random.hpp"

namespace test_scale {

using namespace fauna;
using test::Rows, test::with_threads;

TEST_CASE("scale: the reference's bits for any number of threads, in rows with gaps") {
  test::Random random(1);
  const int shapes[][2] = {{1, 1}, {11, 8}, {3, 7}, {1, 1500}, {70, 1030}};
  for (auto const& s : shapes) {
    const Rows<float> x(random, s[0], s[1], 2);
    Rows<float> want = x;
    scale<Ref<float>>::run({}, 1.0 / 3, want);
    CHECK(want.view()(0, 0) == static_cast<float>(1.0 / 3) * x.view()(0, 0));
    for (int threads : {1, 2, 3, 8}) {
      Rows<float> y = x;
      scale<Cpu<>>::run(with_threads<Cpu<>>(threads), 1.0 / 3, y);
      CHECK(test::same_bits<float>(y, want));
      CHECK(y.gaps_untouched());
    }
  }
}

}  // namespace test_scale
