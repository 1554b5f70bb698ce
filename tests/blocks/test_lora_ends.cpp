// LoRA beside a token table and a head, and modules that train as they are: gradients, and that a model starts as its
// base.
#include <doctest/doctest.h>

#include <fauna/models/gpt.hpp>
#include <fauna/models/llama.hpp>
#include <fauna/models/lora.hpp>
#include <fauna/train/adapters.hpp>

#include "../support/model_check.hpp"

namespace test_lora_ends {

namespace {

using namespace fauna;

using Untied = Llama<LlamaConfig{
    .layers = 1, .heads = 2, .kv_heads = 1, .head_size = 4, .width = 6, .hidden = 10, .context = 16, .vocab = 11}>;
using Tied = Gpt<GptConfig{.layers = 1, .heads = 2, .width = 6, .context = 16, .vocab = 11}>;
using Ends = lora<Untied, LoraConfig{.rank = 2, .alpha = 6, .on = "q_proj|embed_tokens|lm_head"}>;
using Table = lora<Tied, LoraConfig{.rank = 2, .alpha = 3, .on = "wte"}>;
using Whole = lora<Untied, LoraConfig{.rank = 2, .on = "v_proj", .whole = "embed_tokens|lm_head"}>;
static_assert(parameters<Ends> - parameters<Untied> == 2 * ((6 + 8) + 2 * (11 + 6)));
static_assert(parameters<Table> - parameters<Tied> == 2 * (11 + 6));
static_assert(parameters<Whole> - parameters<Untied> == 2 * (6 + 4));

template <class M> std::vector<float> logits(Trained<M, Cpu<>>& model) {
  const int tokens[] = {1, 4, 2, 3, 0, 5};
  model.prepare_inference({.sequences = 1, .length = 6});
  std::vector<float> y(6 * 11);
  model.logits(Batch::uniform(1, 6, tokens), logit_rows::all, Matrix<float>(y.data(), 6, 11));
  return y;
}
template <class M> double learn(Trained<M, Cpu<>>& model, int steps) {
  const int tokens[] = {1, 4, 2, 3, 0, 5}, targets[] = {4, 2, 3, 0, 5, 1};
  model.prepare_training({.sequences = 1, .length = 6});
  double loss = 0;
  for (int i = 0; i < steps; ++i) {
    loss = model.accumulate(Batch::uniform(1, 6, tokens, targets));
    model.update({.lr = 3e-2, .decay = 0});
  }
  return loss;
}
template <class Base, class M> void check_start_and_training(std::vector<std::string> const& trained) {
  Trained<Base, Cpu<>> base(seed{3});
  Trained<M, Cpu<>> model(seed{3});
  freeze_base(model);
  CHECK(logits(model) == logits(base));
  std::vector<std::string> names;
  for (Parameter const& p : model.parameters())
    if (p.trainable) names.push_back(p.name);
  CHECK(names == trained);
  const double first = learn(model, 1);
  CHECK(learn(model, 60) < first - 0.03);  // a frozen head of small numbers can say little more
  for (Parameter const& p : model.parameters())
    for (Parameter const& q : base.parameters())
      if (!p.trainable && p.name == q.name)
        CHECK(std::memcmp(model.value(p).data(), base.value(q).data(), p.size() * sizeof(float)) == 0);
}

}  // namespace

TEST_CASE("lora: gradients of table, head and layers against dual numbers") {
  for (Batch const& shape : {test::plain(2, 5), test::ragged()}) {
    test::check_loss_gradient<Ends>(shape);
    test::check_loss_gradient<Table>(shape);
    test::check_loss_gradient<Whole>(shape);
  }
}
TEST_CASE("lora: with a table and a head a model starts as its base, and they alone train") {
  check_start_and_training<Untied, Ends>({"model.embed_tokens.lora_embedding_A", "model.embed_tokens.lora_embedding_B",
                                          "model.layers.0.self_attn.q_proj.lora_A.weight",
                                          "model.layers.0.self_attn.q_proj.lora_B.weight", "lm_head.lora_A.weight",
                                          "lm_head.lora_B.weight"});
  check_start_and_training<Tied, Table>({"transformer.wte.lora_embedding_A", "transformer.wte.lora_embedding_B"});
  check_start_and_training<Untied, Whole>({"model.embed_tokens.weight", "model.layers.0.self_attn.v_proj.lora_A.weight",
                                           "model.layers.0.self_attn.v_proj.lora_B.weight", "lm_head.weight"});
}

}  // namespace test_lora_ends
