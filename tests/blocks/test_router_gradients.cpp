// Gradients of mixtures of experts against dual numbers: every router, dispatcher and kind of expert.
#include "../support/small_routers.hpp"

namespace test_router_gradients {

TEST_SUITE("routers") {
  TEST_CASE_TEMPLATE("gradients of each part with the others", Block, Mixed<Dropless, by_sequence>, Mixed<AllExperts>,
                     Mixed<Queue>, Mixed<ByWeight>, Mixed<ByChoice, by_sequence>,
                     Mixed<Dropless, losses, WeightedInputs>, Mixed<AllExperts, losses, WeightedInputs>,
                     Mixed<Queue, losses, WeightedInputs>) {
    check<Block>();
  }

  TEST_CASE_TEMPLATE("gradients of the rarer routers", Block, Switch, Second, Noisy, NoisyAll, Taken, Plan1, Plan2) {
    check<Block>();
  }

  TEST_CASE_TEMPLATE("gradients of experts of several kinds", Block, Plain, Pyramid, Idle, Idle1) { check<Block>(); }
}

}  // namespace test_router_gradients
