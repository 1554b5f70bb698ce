// GPT-NeoX: tied to its embedding, which no golden folder is; the names and the layout of its tensors.
#include <doctest/doctest.h>

#include <fauna/models/gpt_neox.hpp>

#include "support/model_check.hpp"

namespace test_gpt_neox {

namespace {

using namespace fauna;

constexpr GptNeoXConfig tiny{
    .layers = 2, .heads = 2, .width = 16, .hidden = 20, .context = 64, .vocab = 11, .rotary = 2};
using Untied = GptNeoX<tiny>;
using Tied = GptNeoX<[] {
  auto c = tiny;
  c.rotary = 6;
  c.parallel = false;
  c.tied = true;
  return c;
}()>;

}  // namespace

TEST_SUITE("gpt_neox") {
  TEST_CASE("tied: the loss's gradient equals the derivative of dual numbers") {
    test::check_loss_gradient<Tied>(test::plain(2, 5));
    test::check_loss_gradient<Tied>(test::ragged());
  }

  TEST_CASE("names are the checkpoints', and the rows of query_key_value are in their order") {
    const auto all = test::names<Untied>();
    const std::vector<std::string> first = {
        "gpt_neox.embed_in.weight",
        "gpt_neox.layers.0.input_layernorm.weight",
        "gpt_neox.layers.0.input_layernorm.bias",
        "gpt_neox.layers.0.attention.query_key_value.weight",
        "gpt_neox.layers.0.attention.query_key_value.bias",
        "gpt_neox.layers.0.attention.dense.weight",
        "gpt_neox.layers.0.attention.dense.bias",
        "gpt_neox.layers.0.post_attention_layernorm.weight",
        "gpt_neox.layers.0.post_attention_layernorm.bias",
        "gpt_neox.layers.0.mlp.dense_h_to_4h.weight",
        "gpt_neox.layers.0.mlp.dense_h_to_4h.bias",
        "gpt_neox.layers.0.mlp.dense_4h_to_h.weight",
        "gpt_neox.layers.0.mlp.dense_4h_to_h.bias",
    };
    CHECK(std::vector<std::string>(all.begin(), all.begin() + 13) == first);
    CHECK(all.size() == 1 + 2 * 12 + 2 + 1);
    CHECK(all[all.size() - 2] == "gpt_neox.final_layer_norm.bias");
    CHECK(all.back() == "embed_out.weight");

    typename Untied::Weights<All<float>> w;
    int interleaved = 0;
    Untied::visit(w, Place{},
                  [&](Tensor const& t, auto&) { interleaved += t.layout == Layout{.heads = 2, .parts = 3}; });
    CHECK(interleaved == 4);  // weight and bias of two layers
  }
}

}  // namespace test_gpt_neox
