#include <doctest/doctest.h>

#include <cmath>
#include <vector>

#include <fauna/decode/sampling.hpp>
#include <fauna/ops/draw_tokens/cpu.hpp>
#include <fauna/ops/draw_tokens/ref.hpp>

#include "support/compare.hpp"
#include "support/op_check.hpp"
#include "support/random.hpp"

namespace test_draw_tokens {

using namespace fauna;
using test::Rows, test::with_threads;

TEST_CASE("draw_tokens: the sampler's tokens, for any number of threads, in rows with gaps") {
  test::Random random(1);
  for (const int V : {1, 2, 37, 3000})
    for (const float temperature : {0.0F, 0.4F, 1.0F}) {
      constexpr int R = 9;
      Rows<float> logits(random, R, V, 3, 0, 3);
      const auto l = logits.view();
      for (int v = 0; v + 1 < V; ++v) {
        l(3, v) = std::round(l(3, v));
        l(4, v) = -HUGE_VALF;
      }
      std::vector<Key> keys;
      std::vector<int> want;
      Sampler sampler(V, {.temperature = temperature});
      for (std::uint64_t r = 0; r < R; ++r) {
        keys.push_back(Key{3, 4}.child(r));
        want.push_back(sampler(l.row(static_cast<int>(r)), Key{3, 4}, r));
      }
      std::vector<int> ids(R);
      draw_tokens<Ref<float>>::forward({}, l, temperature, keys.data(), ids.data());
      CAPTURE(V);
      CAPTURE(temperature);
      CHECK(ids == want);
      for (const int threads : {1, 2, 8}) {
        std::vector<int> again(R);
        draw_tokens<Cpu<>>::forward(with_threads<Cpu<>>(threads), l, temperature, keys.data(), again.data());
        CHECK(again == want);
      }
      for (const float wrong : {std::nanf(""), HUGE_VALF}) {
        l(8, V - 1) = wrong;
        CHECK_THROWS_WITH_AS(
            draw_tokens<Cpu<>>::forward(with_threads<Cpu<>>(2), l, temperature, keys.data(), ids.data()),
            doctest::Contains("row 8 of logits"), error);
      }
    }
}

}  // namespace test_draw_tokens
