// Speculation with experts: a block touches more of them than a row does, and gives the same bits.
#include <doctest/doctest.h>

#include <fauna/models/mamba.hpp>
#include <fauna/models/mixtral.hpp>

#include "../support/speculate_check.hpp"

namespace test_speculate_mixtral {

using namespace fauna;

namespace {

using Target = Mixtral<MixtralConfig{.layers = 2,
                                     .heads = 4,
                                     .kv_heads = 2,
                                     .head_size = 4,
                                     .width = 16,
                                     .hidden = 20,
                                     .experts = 5,
                                     .chosen = 2,
                                     .context = 64,
                                     .vocab = 13}>;
/// Of widths that no vector divides.
using Odd = Mamba<MambaConfig{
    .layers = 2, .width = 37, .inner = 75, .states = 6, .rank = 3, .taps = 3, .vocab = 13, .bias = true}>;

}  // namespace

TEST_CASE_TEMPLATE("mixtral: a block has the bits of one row after another", P, f32_products, bf16_products) {
  test::check_blocks<Target, P>();
}
TEST_CASE_TEMPLATE("odd mamba: a block has the bits of one row after another", P, f32_products, bf16_products) {
  test::check_blocks<Odd, P>();
}
TEST_CASE("mixtral: every drafter, draft length and way to draw gives plain decoding's ids, in bf16") {
  test::check_speculation<Target, Odd, bf16_products>();
}

}  // namespace test_speculate_mixtral
