// RWKV-7's blocks: backward against dual numbers, and rows in any pieces as all at once.
#include <doctest/doctest.h>

#include <fauna/blocks/rwkv7.hpp>
#include <fauna/compose/residual.hpp>
#include <fauna/compose/share.hpp>
#include <fauna/ops/ref.hpp>

#include "../support/gradients.hpp"

namespace test_rwkv7 {

namespace {

using namespace fauna;
using test::check, test::W;

constexpr Rwkv7Ranks ranks{.decay = 2, .learning = 3, .value = 2, .gate = 4};
template <int Width, int Heads, bool First> using TimeMix = Rwkv7TimeMix<Width, Heads, ranks, 3, First>;
/// The first layer's value reaches two others.
template <int Width, int Heads>
using TimeMixes =
    Carry<"v_first", Width,
          Seq<TimeMix<Width, Heads, true>, TimeMix<Width, Heads, false>, Residual<TimeMix<Width, Heads, false>>>>;

}  // namespace

TEST_SUITE("rwkv7") {
  TEST_CASE_TEMPLATE("gradients", Block, TokenShift<"x", W, 2, Mix{"x_k"}>,
                     TokenShift<"x", 5, 2, Mix{"x_r", 0.2F}, Mix{"x_k"}, Mix{"x_v"}>, Rwkv7ChannelMix<W, 7, 2>,
                     LowRank<'w', W, 2, activation::tanh, true>, LowRank<'g', W, 2, activation::sigmoid, false>,
                     LowRank<'a', W, 3, activation::none, true>, TimeMixes<4, 2>, TimeMixes<W, 2>, TimeMixes<3, 1>) {
    check<Block>();
  }
}

}  // namespace test_rwkv7
