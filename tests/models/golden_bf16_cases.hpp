// What a language model is tested for where its products take bf16 operands.
using namespace test;

TEST_CASE(GOLDEN ": bf16 products give the reference policy's gradients, but for what operands lose") {
  check_gradients_on_cpu<Model, bf16_products>(3e-2);  // 2^-9 of each operand of every product
}

TEST_CASE(GOLDEN ": bf16 products: the same bits for any number of threads") {
  check_same_bits<Model, bf16_products>(24);
}

TEST_CASE(GOLDEN ": bf16 products: the reference's logits, but for what operands lose") {
  const Golden golden(folder());
  const auto all_names = names<Model>();
  for (auto const& name : all_names)
    if (matches("*.experts.*", name)) return;  // a row that rounding sends to another expert has other logits
  Loaded<Model, Cpu<bf16_products>> model((SafeTensors(folder())));
  model.prepare_inference({.sequences = 2, .length = golden.length});
  const Gap g = gap(logits_of<Model>(model, golden), floats(golden.file.find("logits")));
  // Each operand loses about 2^-9, weights that are bf16 already nothing, in each of the products that follow one
  // another: four in each of two layers (q, k and v; o; gate and up; down), and the head.
  const int operands = SafeTensors(folder()).tensors()[0].dtype == "BF16" ? 1 : 2;
  CHECK(g.most < operands * 9 * 0x1p-9 * g.scale);
  CHECK_FALSE(g.close());  // so these were no f32 products
}
