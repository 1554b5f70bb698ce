// The layers of EAGLE's drafters: backward against dual numbers.
#include <doctest/doctest.h>

#include <fauna/models/eagle.hpp>
#include <fauna/ops/ref.hpp>

#include "../support/gradients.hpp"

namespace test_eagle_layer {

using namespace fauna;

namespace {

constexpr EagleConfig grouped{
    .heads = 2, .kv_heads = 1, .head_size = 4, .width = 6, .hidden = 5, .context = 64, .vocab = 9};
constexpr EagleConfig plain{
    .heads = 3, .kv_heads = 3, .head_size = 2, .width = 6, .hidden = 4, .context = 64, .vocab = 9, .fc_bias = false};

}  // namespace

TEST_CASE_TEMPLATE("eagle layer: gradients", Block, Eagle<grouped>, Eagle<plain>, Eagle3Layer<grouped>) {
  test::check<Block>();
}

}  // namespace test_eagle_layer
