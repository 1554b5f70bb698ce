#include <doctest/doctest.h>

#include <vector>

#include <fauna/ops/affine/cpu.hpp>
#include <fauna/ops/affine/ref.hpp>

#include "support/compare.hpp"
#include "support/op_check.hpp"
#include "support/random.hpp"

namespace test_affine {

using namespace fauna;
using test::Rows, test::with_threads;

TEST_CASE("affine: the reference's numbers, and the same bits for any number of threads, in rows with gaps") {
  test::Random random(1);
  const int shapes[][2] = {{1, 1}, {11, 8}, {3, 37}, {70, 530}};
  for (auto const& s : shapes) {
    const Rows<float> z(random, s[0], s[1], 2), dy(random, s[0], s[1], 3), numbers(random, 4, s[1], 0);
    const float *factor = numbers.view().row(0), *shift = numbers.view().row(1);
    const auto sums = [&](int row) {
      return std::vector<float>(numbers.view().row(row), numbers.view().row(row) + s[1]);
    };
    const auto near = [](float got, float want) { CHECK(got == doctest::Approx(want).epsilon(1e-5)); };
    Rows<float> y = z, dz = z, want_y = z, want_dz = z;
    auto want_factor = sums(2), want_shift = sums(3);
    affine<Ref<float>>::forward({}, z.view(), factor, shift, want_y);
    affine<Ref<float>>::backward({}, z.view(), factor, shift, dy.view(), want_dz, want_factor.data(),
                                 want_shift.data());
    CHECK(want_y.view()(0, 0) == factor[0] * (z.view()(0, 0) + shift[0]));
    std::vector<float> first;
    for (int threads : {1, 2, 3, 8}) {
      const auto b = with_threads<Cpu<>>(threads);
      y = z;
      dz = z;
      auto all = sums(2), dshift = sums(3);
      affine<Cpu<>>::forward(b, z.view(), factor, shift, y);
      affine<Cpu<>>::backward(b, z.view(), factor, shift, dy.view(), dz, all.data(), dshift.data());
      for (std::size_t c = 0; c < dshift.size(); ++c) {
        near(all[c], want_factor[c]);
        near(dshift[c], want_shift[c]);
      }
      all.insert(all.end(), dshift.begin(), dshift.end());
      for (int r = 0; r < s[0]; ++r)
        for (int c = 0; c < s[1]; ++c) {
          all.push_back(y.view()(r, c));
          all.push_back(dz.view()(r, c));
        }
      if (first.empty()) first = all;
      CHECK(all == first);
    }
    for (int r = 0; r < s[0]; ++r)
      for (int c = 0; c < s[1]; ++c) {
        near(y.view()(r, c), want_y.view()(r, c));
        near(dz.view()(r, c), want_dz.view()(r, c));
      }
    CHECK(y.gaps_untouched());
    CHECK(dz.gaps_untouched());
    // In place, without gradients that are wanted.
    Rows<float> same = z;
    affine<Cpu<>>::forward(with_threads<Cpu<>>(2), same.view(), factor, shift, same);
    CHECK(same.view()(s[0] - 1, 0) == y.view()(s[0] - 1, 0));
    same = dy;
    affine<Cpu<>>::backward(with_threads<Cpu<>>(2), z.view(), factor, shift, same.view(), same, nullptr, nullptr);
    CHECK(same.view()(0, s[1] - 1) == dz.view()(0, s[1] - 1));
  }
}

}  // namespace test_affine
