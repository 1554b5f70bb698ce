// Kernels against the reference in double, with the threads in three orders that must give the same bits.
#pragma once
#include <doctest/doctest.h>

#include <cmath>
#include <vector>

#include "compare.hpp"
#include "kernels.hpp"
#include "random.hpp"

namespace test {

using namespace fauna;

inline constexpr double ulp = 0x1p-24;

/// The largest |element|, at least 1.
inline double size_of(Rows<double> const& m) {
  double most = 1;
  for (int r = 0; r < m.rows(); ++r)
    for (int c = 0; c < m.cols(); ++c) most = std::fmax(most, std::fabs(m.view()(r, c)));
  return most;
}

/// f(matrices to write) on Kernels in every order, from the same contents each time, against g(the same in double):
/// within `ulps` of the largest element.
template <class F, class G> void compare(double ulps, std::vector<Rows<float>> const& before, F const& f, G const& g) {
  std::vector<Rows<double>> want;
  for (auto const& m : before) want.push_back(m.as<double>());
  g(want);
  std::vector<Rows<float>> first;
  for (const auto o : {test::simt::order::ascending, test::simt::order::descending, test::simt::order::random}) {
    Kernels::order = o;
    auto got = before;
    const test::DeviceArray<std::byte> memory(1 << 20);
    Arena scratch(memory.data(), 1 << 20);
    Kernels b;
    b.scratch = &scratch;
    f(b, got);
    CHECK(scratch.used() == 0);
    for (std::size_t i = 0; i < got.size(); ++i) {
      CAPTURE(i);
      CHECK(test::distance<float>(got[i], want[i]) <= ulps * ulp * size_of(want[i]));
      CHECK(got[i].gaps_untouched());
      if (!first.empty()) CHECK(test::same_bits<float>(got[i], first[i]));
    }
    if (first.empty()) first = got;
  }
  Kernels::order = test::simt::order::ascending;
}

using R64 = Ref<double>;
template <class T> using Many = std::vector<Rows<T>>;

}  // namespace test
