// Checkpoints of the families, packed for inference.
#include <doctest/doctest.h>

#include "../support/families.hpp"

using namespace test;

TEST_CASE_TEMPLATE("packed for inference: the reference's logits, and those of one token after another", M, LlamaUntied,
                   LlamaTied, LlamaBf16, NeoX, NeoXSequential, SmallGpt2) {
  CAPTURE(M::folder);
  const std::string folder = folder_of(M::folder);
  const Golden golden(folder);
  Loaded<M, Cpu<>> model((SafeTensors(folder)));
  const auto want = floats(golden.file.find("logits"));
  model.prepare_inference({.sequences = 2, .length = golden.length, .context = golden.length});
  std::vector<float> all(want.size()), stepped(want.size());
  model.logits(golden.batch(), Matrix<float>(all.data(), golden.batch().rows, M::vocab));
  Gap gap;
  for (std::size_t i = 0; i < want.size(); ++i) gap.see(all[i], want[i]);
  CHECK(gap.close());
  Cache<M, Cpu<>> cache(2, golden.length);
  for (int r = 0; r < golden.length; ++r) {
    const int pair[2] = {golden.tokens[static_cast<std::size_t>(r)],
                         golden.tokens[static_cast<std::size_t>(golden.length + r)]};
    std::vector<float> row(2 * M::vocab);
    model.logits(cache, Batch::uniform(2, 1, pair), Matrix<float>(row.data(), 2, M::vocab));
    for (int s = 0; s < 2; ++s)
      std::memcpy(stepped.data() + static_cast<std::ptrdiff_t>(s * golden.length + r) * M::vocab,
                  row.data() + static_cast<std::ptrdiff_t>(s) * M::vocab, M::vocab * sizeof(float));
  }
  CHECK(stepped == all);
}

TEST_CASE("bf16 products: the reference's logits of a bf16 checkpoint, but for what operands lose") {
  const std::string folder = folder_of(LlamaBf16::folder);
  const Golden golden(folder);
  Loaded<LlamaBf16, Cpu<bf16_products>> model((SafeTensors(folder)));
  const auto want = floats(golden.file.find("logits"));
  model.prepare_inference({.sequences = 2, .length = golden.length});
  std::vector<float> got(want.size());
  model.logits(golden.batch(), Matrix<float>(got.data(), golden.batch().rows, LlamaBf16::vocab));
  Gap gap;
  for (std::size_t i = 0; i < want.size(); ++i) gap.see(got[i], want[i]);
  // The weights are bf16 and lose nothing; the other operand loses about 2^-9 in each product, of which nine follow one
  // another: four in each layer (q, k and v; o; gate and up; down), and the head.
  CHECK(gap.most < 9 * 0x1p-9 * gap.scale);
  CHECK_FALSE(gap.close());  // so these were no f32 products
}
