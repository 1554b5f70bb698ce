// How tests of small ops hold the CPU's kernels to the reference: on every width of vectors, and for any number of
// threads with the same bits.
#pragma once
#include <doctest/doctest.h>

#include <fauna/backend/cpu.hpp>

#include "compare.hpp"
#include "op_check.hpp"
#include "recurrences.hpp"

namespace test {

/// What all(policy, zero of its scalar) gives, a list of rows: within `bound` of the reference's, and the same bits
/// for any number of threads.
template <class B, class All> void same(All&& all, double bound) {
  const auto want = all(fauna::Ref<double>{}, 0.0);
  const auto got = all(with_threads<B>(1), 0.0F);
  for (std::size_t i = 0; i < got.size(); ++i) {
    CAPTURE(i);
    CHECK(distance<float>(got[i], want[i]) <= bound * scale(want[i]));
    CHECK(got[i].gaps_untouched());
  }
  for (const int threads : {2, 3, 8}) {
    const auto again = all(with_threads<B>(threads), 0.0F);
    for (std::size_t i = 0; i < got.size(); ++i) CHECK(same_bits<float>(again[i], got[i]));
  }
}

}  // namespace test

#define ON_EVERY_WIDTH(name)                                                                        \
  TEST_CASE_TEMPLATE(name ": equals the reference on every width and for any number of threads", B, \
                     fauna::Cpu<fauna::f32_products, fauna::isa::baseline>,                         \
                     fauna::Cpu<fauna::f32_products, fauna::isa::avx2>,                             \
                     fauna::Cpu<fauna::f32_products, fauna::isa::avx512>)
