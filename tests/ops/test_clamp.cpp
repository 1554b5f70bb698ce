#include <doctest/doctest.h>

#include <fauna/ops/clamp/cpu.hpp>
#include <fauna/ops/clamp/ref.hpp>

#include "support/compare.hpp"
#include "support/op_check.hpp"
#include "support/random.hpp"

namespace test_clamp {

using namespace fauna;
using test::Rows, test::with_threads;

TEST_CASE_TEMPLATE("clamp: the reference's bits on every tile, for any number of threads, in rows with gaps", B,
                   Cpu<f32_products, isa::baseline>, Cpu<f32_products, isa::avx2>, Cpu<f32_products, isa::avx512>) {
  test::Random random(1);
  const int shapes[][2] = {{1, 1}, {11, 8}, {3, 7}, {1, 1500}, {70, 1030}};
  for (auto const& s : shapes) {
    const Rows<float> x(random, s[0], s[1], 2), dy(random, s[0], s[1], 1);
    Rows<float> y(s[0], s[1], 3), dx(s[0], s[1], 1);
    clamp<Ref<float>>::forward({}, 0.3, x, y);
    clamp<Ref<float>>::backward({}, 0.3, x, dy, dx);
    for (int r = 0; r < s[0]; ++r)
      for (int c = 0; c < s[1]; ++c) CHECK((dx.view()(r, c) == 0) == (y.view()(r, c) != x.view()(r, c)));
    for (int threads : {1, 2, 3, 8}) {
      Rows<float> y1 = x, dx1 = dy;  // in place
      clamp<B>::forward(with_threads<B>(threads), 0.3, x, y1);
      clamp<B>::backward(with_threads<B>(threads), 0.3, x, dy, dx1);
      CHECK(test::same_bits<float>(y1, y));
      CHECK(test::same_bits<float>(dx1, dx));
      CHECK(y1.gaps_untouched());
      CHECK(dx1.gaps_untouched());
    }
  }
}

}  // namespace test_clamp
