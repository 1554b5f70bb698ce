// The layers in DeepSeek-V3's files that predict further tokens, in a model that has none and in one that has some.
// The folder is no golden of all families, for config.json alone has a model of inference, without these layers.
#include <doctest/doctest.h>

#include <fauna/decode/weights.hpp>
#include <fauna/models/deepseek.hpp>
#include <fauna/ops/ref.hpp>
#include <fauna/train/trained.hpp>

#include "../support/compare.hpp"
#include "../support/reference_check.hpp"
#include "../support/source_dir.hpp"
#include "../support/temporary.hpp"

namespace test_further {

using namespace fauna;

namespace {

constexpr DeepseekV3Config of(int further) {
  return {{.layers = 2, .heads = 4, .width = 16, .hidden = 24, .context = 32, .vocab = 29, .epsilon = 1e-6F},
          {.experts = 6, .chosen = 3, .expert_hidden = 12, .shared_hidden = 12, .dense = 1},
          {.rank = 12, .nope = 6, .rope = 4, .value = 5, .further = further}};
}
using Plain = DeepseekV3<of(0)>;
using Further = DeepseekV3<of(2)>;

}  // namespace

TEST_CASE("further: logits, loss and every gradient are those of the equations in torch") {
  test::check_reference<Further>(test::source_path("tests/golden/deepseek_v3_further"));
  test::check_learns<Further>();
}

TEST_CASE("further: a model without such layers passes over them, and over nothing else") {
  const SafeTensors file(test::source_path("tests/golden/deepseek_v3_further"));
  Trained<Plain, Ref<float>> plain(seed{1});
  Trained<Further, Ref<float>> all(seed{2});
  load_weights<Plain>(Ref<float>{}, plain.weights(), file);
  load_weights<Further>(Ref<float>{}, all.weights(), file);
  for (auto const& p : plain.parameters())
    CHECK(test::same_bits<float>(plain.value(p), all.value(all.parameter(p.name))));
  CHECK(Further::parameters > Plain::parameters);
  CHECK(Further::active_parameters - Plain::active_parameters ==
        Further::parameters - Plain::parameters - 2 * 3 * 3 * 16 * 12);

  const TemporaryFolder place;
  const std::string path = place / "w.safetensors";
  std::vector<SafeTensor> tensors = file.tensors();
  tensors.push_back(tensors[0]);
  tensors.back().name = "model.layers.1.more.weight";  // of a layer that the model has
  write_safetensors(path, tensors);
  CHECK_THROWS_WITH_AS(load_weights<Plain>(Ref<float>{}, plain.weights(), SafeTensors(path)),
                       doctest::Contains("model.layers.1.more.weight"), error);
  tensors.back().name = "model.layers.2.more.weight";
  write_safetensors(path, tensors);
  load_weights<Plain>(Ref<float>{}, plain.weights(), SafeTensors(path));
  CHECK_THROWS_WITH_AS(load_weights<Further>(Ref<float>{}, all.weights(), SafeTensors(path)),
                       doctest::Contains("model.layers.2.more.weight"), error);
}

TEST_CASE("further: the files' copies of the token table and the head are what they are copies of") {
  const SafeTensors file(test::source_path("tests/golden/deepseek_v3_further"));
  const TemporaryFolder place;
  const std::string path = place / "w.safetensors";
  std::vector<SafeTensor> tensors = file.tensors();
  for (auto const& [name, copy] : {std::pair{"lm_head.weight", "model.layers.2.shared_head.head.weight"},
                                   {"model.embed_tokens.weight", "model.layers.2.embed_tokens.weight"}}) {
    tensors.push_back(*file.find(name));
    tensors.back().name = copy;
  }
  write_safetensors(path, tensors);
  Trained<Further, Ref<float>> all(seed{2});
  load_weights<Further>(Ref<float>{}, all.weights(), SafeTensors(path));
  tensors.back().data = file.find("lm_head.weight")->data;  // of the same shape
  write_safetensors(path, tensors);
  CHECK_THROWS_WITH_AS(load_weights<Further>(Ref<float>{}, all.weights(), SafeTensors(path)),
                       doctest::Contains("model.layers.2.embed_tokens.weight is not model.embed_tokens.weight"), error);
}

}  // namespace test_further
