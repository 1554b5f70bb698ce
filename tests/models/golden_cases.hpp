// One of the folders in tests/golden/models against the library that it comes from, and what every language model is
// tested for. Included once for each type, where Model is its name and GOLDEN that of a folder: CMake writes the files
// that do, with the folders' type.txt, which is what `tools/fauna type` prints. The folder to look at comes in the
// environment, as one type may have several.
using namespace test;

TEST_CASE(GOLDEN ": logits, loss and every gradient are the reference library's") { check_reference<Model>(folder()); }

TEST_CASE(GOLDEN ": what is written is what was read, bit for bit") {
  const SafeTensors from(folder());
  if (from.tensors()[0].dtype != "F32") return;  // saving writes f32
  Trained<Model, Cpu<>> model;
  load_weights<Model>(Cpu<>{}, model.weights(), from);
  const TemporaryFolder place;
  save_weights<Model>(place / "model.safetensors", model.weights());
  const SafeTensors to(place / "model.safetensors");
  CHECK(to.tensors().size() == from.tensors().size());
  for (auto const& t : to.tensors()) {
    CAPTURE(t.name);
    const SafeTensor* f = from.find(t.name);
    REQUIRE(f != nullptr);
    CHECK(t.text() == f->text());
    CHECK(std::memcmp(t.data, f->data, t.bytes) == 0);
  }
}

TEST_CASE(GOLDEN ": packed for inference: the reference's logits, and those of one token after another") {
  const Golden golden(folder());
  Loaded<Model, Cpu<>> model((SafeTensors(folder())));
  model.prepare_inference({.sequences = 2, .length = golden.length, .context = golden.length});
  const auto all = logits_of<Model>(model, golden);
  CHECK(gap(all, floats(golden.file.find("logits"))).close());
  std::vector<float> stepped(all.size());
  Cache<Model, Cpu<>> cache(2, golden.length);
  for (int r = 0; r < golden.length; ++r) {
    const int pair[2] = {golden.tokens[static_cast<std::size_t>(r)],
                         golden.tokens[static_cast<std::size_t>(golden.length + r)]};
    std::vector<float> row(2 * Model::vocab);
    model.logits(cache, Batch::uniform(2, 1, pair), logit_rows::last, Matrix<float>(row.data(), 2, Model::vocab));
    for (int s = 0; s < 2; ++s)
      std::memcpy(stepped.data() + static_cast<std::ptrdiff_t>(s * golden.length + r) * Model::vocab,
                  row.data() + static_cast<std::ptrdiff_t>(s) * Model::vocab, Model::vocab * sizeof(float));
  }
  CHECK(stepped == all);
}

TEST_CASE(GOLDEN ": a batch is learnt by heart") { check_learns<Model>(); }
