// LoRA adapters beside those of PyPI's peft: its logits, loss and gradients, beside the base and merged into it.
#include <doctest/doctest.h>

#include "../support/adapters.hpp"

using namespace test;

TEST_CASE_TEMPLATE("logits, loss and gradients are the reference library's", Case, LlamaTied, LlamaHalf, Gpt2Small,
                   NeoX) {
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
