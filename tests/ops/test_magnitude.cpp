#include <doctest/doctest.h>

#include <cmath>
#include <vector>

#include <fauna/ops/magnitude/cpu.hpp>
#include <fauna/ops/magnitude/ref.hpp>

#include "support/compare.hpp"
#include "support/op_check.hpp"
#include "support/random.hpp"

namespace test_magnitude {

using namespace fauna;
using test::Rows, test::with_threads;

TEST_CASE("magnitude: the reference's numbers, and the same bits for any number of threads, in rows with gaps") {
  test::Random random(1);
  const int shapes[][2] = {{1, 1}, {11, 8}, {3, 37}, {70, 530}};
  for (auto const& s : shapes) {
    const Rows<float> z(random, s[0], s[1], 2), dy(random, s[0], s[1], 3);
    const Rows<float> numbers(random, 4, s[1], 0);
    const float *m = numbers.view().row(0), *bias = numbers.view().row(1);
    std::vector<float> n(numbers.view().row(2), numbers.view().row(2) + s[1]);
    for (float& x : n) x = 0.5F + std::fabs(x);
    const std::vector<float> before(numbers.view().row(3), numbers.view().row(3) + s[1]);
    const auto near = [](float got, float want) { CHECK(got == doctest::Approx(want).epsilon(1e-5)); };
    Rows<float> y = z, dz = z, want_y = z, want_dz = z;
    auto dm = before, want_dm = before;
    std::vector<float> length(static_cast<std::size_t>(s[0])), want_length = length;
    magnitude<Ref<float>>::lengths({}, z.view(), want_length.data());
    magnitude<Ref<float>>::forward({}, z.view(), m, n.data(), bias, want_y);
    magnitude<Ref<float>>::backward({}, z.view(), m, n.data(), dy.view(), want_dz, want_dm.data());
    std::vector<float> first;
    for (int threads : {1, 2, 3, 8}) {
      const auto b = with_threads<Cpu<>>(threads);
      y = z;
      dz = z;
      dm = before;
      magnitude<Cpu<>>::lengths(b, z.view(), length.data());
      magnitude<Cpu<>>::forward(b, z.view(), m, n.data(), bias, y);
      magnitude<Cpu<>>::backward(b, z.view(), m, n.data(), dy.view(), dz, dm.data());
      std::vector<float> all(length);
      all.insert(all.end(), dm.begin(), dm.end());
      for (int r = 0; r < s[0]; ++r) {
        all.insert(all.end(), y.view().row(r), y.view().row(r) + s[1]);
        all.insert(all.end(), dz.view().row(r), dz.view().row(r) + s[1]);
      }
      if (first.empty()) first = all;
      CHECK(all == first);
    }
    for (std::size_t r = 0; r < length.size(); ++r) near(length[r], want_length[r]);
    for (std::size_t c = 0; c < dm.size(); ++c) near(dm[c], want_dm[c]);
    for (int r = 0; r < s[0]; ++r)
      for (int c = 0; c < s[1]; ++c) {
        near(y.view()(r, c), want_y.view()(r, c));
        near(dz.view()(r, c), want_dz.view()(r, c));
      }
    CHECK(y.gaps_untouched());
    CHECK(dz.gaps_untouched());
    // In place, without a bias and without a gradient that is wanted.
    Rows<float> same = z;
    magnitude<Cpu<>>::forward(with_threads<Cpu<>>(2), same.view(), m, n.data(), nullptr, same);
    near(same.view()(s[0] - 1, 0), m[0] / n[0] * z.view()(s[0] - 1, 0));
    magnitude<Cpu<>>::backward(with_threads<Cpu<>>(2), z.view(), m, n.data(), dy.view(), same, nullptr);
    near(same.view()(0, s[1] - 1), want_dz.view()(0, s[1] - 1));
  }
}

TEST_CASE("magnitude: a row of zeros has a length that divides") {
  Rows<float> v(2, 3, 0);
  for (int c = 0; c < 3; ++c) v.view()(0, c) = 0, v.view()(1, c) = 2;
  float n[2], reference[2];
  magnitude<Cpu<>>::lengths(with_threads<Cpu<>>(1), v.view(), n);
  magnitude<Ref<float>>::lengths({}, v.view(), reference);
  for (const float* of : {n, reference}) {
    CHECK(of[0] == 1);
    CHECK(of[1] == doctest::Approx(std::sqrt(12.0)));
  }
}

}  // namespace test_magnitude
