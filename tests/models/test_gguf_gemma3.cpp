// Gemma 3 from GGUF (tools/oracles/gguf_gemma3.py): other names, norms with 1 added. What comes of it is what the
// reference library makes of the hub's files.
#include <doctest/doctest.h>

#include <fauna/io/gguf_hub.hpp>
#include <fauna/models/gemma3.hpp>

#include "../support/reference_check.hpp"
#include "../support/source_dir.hpp"

namespace test_gguf_gemma3 {

using namespace fauna;

namespace {

using Model = Gemma3<Gemma3Config{.layers = 4,
                                  .heads = 4,
                                  .kv_heads = 2,
                                  .head_size = 6,
                                  .width = 16,
                                  .hidden = 24,
                                  .context = 32,
                                  .vocab = 29,
                                  .window = 3,
                                  .full_every = 3,
                                  .base = 1000.0,
                                  .window_base = 50.0,
                                  .scaling = {.kind = rope_scaling::linear, .factor = 4.0, .original = 8192},
                                  .score_scale = 1.0 / 3,
                                  .epsilon = 1e-6F}>;

}  // namespace

TEST_CASE("Gemma 3 from GGUF has the reference's logits") {
  const test::Golden golden(test::source_path("tests/golden/models/gemma3"));
  const HubGguf file(test::source_path("tests/golden/gguf_gemma3.gguf"));
  Loaded<Model, Cpu<>> model(file, 1);
  model.prepare_inference({.sequences = 2, .length = golden.length});
  CHECK(test::gap(test::logits_of<Model>(model, golden), test::floats(golden.file.find("logits"))).close());

  // Saved under the hub's names it is the hub's, but for rounding as 1 is taken away.
  Trained<Model, Cpu<>> trained(seed{1});
  load_weights<Model>(Cpu<>{}, trained.weights(), file);
  const TemporaryFolder folder;
  save_weights<Model>(folder / "w.safetensors", trained.weights());
  const SafeTensors saved(folder / "w.safetensors"), hub(test::source_path("tests/golden/models/gemma3"));
  for (SafeTensor const& t : hub.tensors()) {
    CAPTURE(t.name);
    REQUIRE(saved.find(t.name) != nullptr);
    const auto a = test::floats(&t), b = test::floats(saved.find(t.name));
    REQUIRE(a.size() == b.size());
    for (std::size_t i = 0; i < a.size(); ++i) CHECK(std::fabs(a[i] - b[i]) <= 0x1p-23F);
  }
}

}  // namespace test_gguf_gemma3
