// Language models around delta rules: gradients, bits, and a token at a time.
#include "../support/linear_check.hpp"

namespace test_linear_lm_delta {

using fauna::mixing;

TEST_CASE("linear_lm: deltanet") { test::check_linear<mixing::deltanet>(); }
TEST_CASE("linear_lm: gated_deltanet") { test::check_linear<mixing::gated_deltanet>(); }
TEST_CASE("linear_lm: kda") { test::check_linear<mixing::kda>(); }

TEST_CASE("linear_lm: a batch is learnt by heart, from the names of flash-linear-attention") {
  using M = test::SmallLinear<mixing::gated_deltanet>;
  test::check_learns<M>();
  const auto all = test::names<M>();
  for (const char* name :
       {"model.embeddings.weight", "model.layers.1.attn_norm.weight", "model.layers.1.attn.q_proj.weight",
        "model.layers.1.attn.q_conv1d.weight", "model.layers.1.attn.A_log", "model.layers.1.attn.dt_bias",
        "model.layers.1.attn.o_norm.weight", "model.layers.1.attn.o_proj.weight", "model.layers.0.mlp.down_proj.weight",
        "model.norm.weight"}) {
    CAPTURE(name);
    CHECK(std::find(all.begin(), all.end(), name) != all.end());
  }
}

}  // namespace test_linear_lm_delta
