// What a language model around a linear recurrence is tested for.
#pragma once
#include <fauna/models/linear_lm.hpp>

#include "decode_check.hpp"
#include "model_check.hpp"

namespace test {

/// Two layers, with odd numbers of everything.
template <fauna::mixing M>
using SmallLinear = fauna::LinearLm<fauna::LinearLmConfig{
    .mixer = M, .layers = 2, .heads = 2, .keys = 4, .values = 5, .width = 12, .hidden = 20, .vocab = 13}>;

/// A token at a time, in pieces and all at once: the same bits.
template <class M> void check_linear_bits() {
  using namespace fauna;
  auto m = lively<M, Cpu<>>(2);
  const std::vector<int> ids = some_tokens<M>(39, 3);
  const std::vector<float> want = at_once(m, ids);
  for (const int chunk : {1, 7, 16}) {
    Cache<M, Cpu<>> cache(1, 64);
    CHECK(in_chunks(m, cache, ids, chunk) == want);
  }
}
template <fauna::mixing Kin> void check_linear() {
  using M = SmallLinear<Kin>;
  CAPTURE(fauna::name_of(Kin));
  check_gradients_on_cpu<M, fauna::f32_products>(2e-4);  // sums over 48 rows, through two layers of recurrences
  check_same_bits<M, fauna::f32_products>(20);
  check_linear_bits<M>();
}

}  // namespace test
