// What a language model is tested for beyond golden_cases.hpp: other policies, other numbers, other threads. A landing
// compiles it for a family of each kind.
using namespace test;

TEST_CASE(GOLDEN ": the loss's gradient equals the derivative of dual numbers") {
  check_loss_gradient<Model>(plain(2, 5));
  check_loss_gradient<Model>(ragged());
}

TEST_CASE(GOLDEN ": f32 products: the same bits for any number of threads") {
  check_same_bits<Model, f32_products>(24);
}
