// Llama: the names of its tensors, tied and untied.
#include <doctest/doctest.h>

#include "support/model_check.hpp"
#include "support/small_llamas.hpp"

namespace test_llama {

using namespace fauna;
using test::Tied, test::Untied;

TEST_SUITE("llama") {
  TEST_CASE("names are the checkpoints'") {
    const std::vector<std::string> tied = {
        "model.embed_tokens.weight",
        "model.layers.0.input_layernorm.weight",
        "model.layers.0.self_attn.q_proj.weight",
        "model.layers.0.self_attn.k_proj.weight",
        "model.layers.0.self_attn.v_proj.weight",
        "model.layers.0.self_attn.o_proj.weight",
        "model.layers.0.post_attention_layernorm.weight",
        "model.layers.0.mlp.gate_proj.weight",
        "model.layers.0.mlp.up_proj.weight",
        "model.layers.0.mlp.down_proj.weight",
    };
    const auto all = test::names<Tied>();
    CHECK(std::vector<std::string>(all.begin(), all.begin() + 10) == tied);
    CHECK(all.size() == 1 + 2 * 9 + 1);
    CHECK(all.back() == "model.norm.weight");
    CHECK(test::names<Untied>().back() == "lm_head.weight");
    CHECK(test::names<Untied>()[3] == "model.layers.0.self_attn.q_proj.bias");
  }
}

}  // namespace test_llama
