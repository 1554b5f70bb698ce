// The adapters of tests/golden/adapters (tools/oracles/adapters.py) and the models that they are for.
#pragma once
#include <doctest/doctest.h>
#include <fauna/decode/adapter.hpp>
#include <fauna/models/gpt.hpp>
#include <fauna/models/gpt_neox.hpp>
#include <fauna/models/llama.hpp>
#include <fauna/train/adapters.hpp>

#include "families.hpp"

namespace test {

inline constexpr LlamaConfig tied{.layers = 2,
                                  .heads = 3,
                                  .kv_heads = 1,
                                  .head_size = 8,
                                  .width = 24,
                                  .hidden = 40,
                                  .context = 32,
                                  .vocab = 29,
                                  .base = 500.0,
                                  .scaling = {.kind = rope_scaling::llama3, .factor = 8.0, .original = 16},
                                  .tied = true,
                                  .attention_bias = true,
                                  .mlp_bias = true};
inline constexpr LlamaConfig half{
    .layers = 2, .heads = 4, .kv_heads = 4, .head_size = 8, .width = 24, .hidden = 40, .context = 32, .vocab = 29};
inline constexpr GptConfig gpt2{
    .layers = 2, .heads = 3, .width = 24, .context = 32, .vocab = 29, .act = activation::gelu_tanh};
inline constexpr GptNeoXConfig neox{
    .layers = 2, .heads = 2, .width = 24, .hidden = 40, .context = 32, .vocab = 29, .rotary = 4};

// The models of tests/golden/adapters.
struct LlamaTied {
  static constexpr const char *name = "llama_tied", *base = "llama_tied";
  using Model = Llama<tied>;
  using Adapted = lora<Model, LoraConfig{.rank = 3, .alpha = 4.5}>;
};
struct LlamaHalf {
  static constexpr const char *name = "llama_bf16", *base = "llama_bf16";
  using Model = Llama<half>;
  using Adapted = lora<Model, LoraConfig{.rank = 2, .alpha = 8, .on = "q_proj|v_proj"}>;
};
struct Gpt2Small {
  static constexpr const char *name = "gpt2", *base = "gpt2";
  using Model = Gpt<gpt2>;
  using Adapted = lora<Model, LoraConfig{.rank = 2, .alpha = 3, .on = "c_attn|c_fc"}>;
};
struct NeoX {
  static constexpr const char *name = "gpt_neox_rslora", *base = "gpt_neox";
  using Model = GptNeoX<neox>;
  using Adapted = lora<Model, LoraConfig{.rank = 4, .alpha = 3, .on = "query_key_value", .rank_stabilised = true}>;
};

struct LlamaDora {
  static constexpr const char *name = "llama_dora", *base = "llama_bf16";
  using Model = Llama<half>;
  using Adapted = lora<Model, LoraConfig{.rank = 2, .alpha = 6, .on = "q_proj|down_proj", .magnitudes = true}>;
};
struct Gpt2Dora {
  static constexpr const char *name = "gpt2_dora", *base = "gpt2";
  using Model = Gpt<gpt2>;
  using Adapted = lora<Model, LoraConfig{.rank = 2, .alpha = 4, .on = "c_attn", .magnitudes = true}>;
};

inline std::string adapter_folder(std::string const& name) { return source_path("tests/golden/adapters/" + name); }

template <class M> std::vector<float> adapter_logits(M& model, Golden const& golden) {
  std::vector<float> all(golden.tokens.size() * 29);
  model.logits(golden.batch(), logit_rows::all, Matrix<float>(all.data(), golden.batch().rows, 29));
  return all;
}
inline Gap gap_of(std::vector<float> const& got, std::vector<float> const& want) {
  REQUIRE(got.size() == want.size());
  Gap g;
  for (std::size_t i = 0; i < want.size(); ++i) g.see(got[i], want[i]);
  return g;
}

/// The base with its adapter beside it.
template <class Case> Trained<typename Case::Adapted, Cpu<>> adapted() {
  Trained<typename Case::Adapted, Cpu<>> model(seed{1}, 2);
  load_weights<typename Case::Adapted>(Cpu<>{}, model.weights(), SafeTensors(folder_of(Case::base)), {.partial = true});
  load_adapter<typename Case::Adapted>(Cpu<>{}, model.weights(), Adapter(adapter_folder(Case::name)));
  freeze_base(model);
  return model;
}

/// Logits, loss and gradients are the reference library's, beside the base; merged into it the logits are the same but
/// for rounding.
template <class Case> void check_against_reference() {
  const Golden golden(folder_of(Case::base));
  const SafeTensors want(adapter_folder(Case::name) + "/golden.safetensors");
  auto model = adapted<Case>();
  model.prepare_training({.sequences = 2, .length = golden.length});
  CHECK(model.accumulate(golden.batch()) == doctest::Approx(floats(want.find("loss"))[0]).epsilon(1e-5));
  const auto beside = adapter_logits(model, golden);
  CHECK(gap_of(beside, floats(want.find("logits"))).close());
  CHECK_FALSE(gap_of(beside, floats(golden.file.find("logits"))).close());

  const TemporaryFolder place;
  save_adapter<typename Case::Adapted>(place / "gradients", model.gradients(), "");
  const SafeTensors gradients(place / "gradients/adapter_model.safetensors");
  CHECK(gradients.tensors().size() + 2 == want.tensors().size());
  for (auto const& t : gradients.tensors()) {
    CAPTURE(t.name);
    CHECK(gap_of(floats(&t), floats(want.find("grad." + t.name))).close());
  }

  // Merged into the base: the same but for rounding.
  SafeTensors base(folder_of(Case::base));
  Adapter(adapter_folder(Case::name)).merge_into(base);
  Loaded<typename Case::Model, Cpu<>> merged(base);
  merged.prepare_inference({.sequences = 2, .length = golden.length});
  const Gap rounding = gap_of(adapter_logits(merged, golden), beside);
  CHECK(rounding.most <= 1e-5 * rounding.scale);
}

}  // namespace test
