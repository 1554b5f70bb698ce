// Tensors in a few bits with scales beside them, against what transformers and torch make of them
// (tools/oracles/scaled_files.py).
#include <doctest/doctest.h>

#include <cstring>
#include <fauna/decode/weights.hpp>
#include <fauna/io/safetensors.hpp>
#include <fauna/models/gpt_oss.hpp>
#include <fauna/ops/ref.hpp>
#include <fauna/train/trained.hpp>

#include <vector>

#include "../support/source_dir.hpp"
#include "../support/temporary.hpp"

namespace test_scaled {

using namespace fauna;

namespace {

std::vector<float> numbers(SafeTensors const& file, const char* name) {
  const SafeTensor* t = file.find(name);
  REQUIRE(t != nullptr);
  std::vector<float> v(t->elements());
  read_floats(*t, 0, v.size(), v.data());
  return v;
}
std::string folder() { return test::source_path("tests/golden/scaled/"); }

}  // namespace

TEST_CASE("scaled: MXFP4 is what transformers dequantises, bit for bit, from any number on") {
  const SafeTensors file(folder() + "mxfp4.safetensors");
  CHECK(file.tensors().size() == 2);  // the scales are no tensor of their own any more
  CHECK(file.find("experts_scales") == nullptr);
  const SafeTensor* t = file.find("experts_blocks");
  REQUIRE(t != nullptr);
  CHECK(t->text() == "MXFP4 with scales [2, 7, 96]");
  CHECK(has_floats(t->dtype));
  const auto all = numbers(file, "experts_blocks"), wanted = numbers(file, "experts");
  CHECK(std::memcmp(all.data(), wanted.data(), all.size() * sizeof(float)) == 0);
  std::vector<double> some(50);
  read_floats(*t, 33, 50, some.data());
  for (std::size_t i = 0; i < 50; ++i) CHECK(some[i] == static_cast<double>(wanted[33 + i]));
}

TEST_CASE("scaled: FP8 in squares is torch's, bit for bit") {
  const SafeTensors file(folder() + "fp8.safetensors");
  CHECK(file.tensors().size() == 2);
  const auto all = numbers(file, "weight"), wanted = numbers(file, "wanted");
  CHECK(std::memcmp(all.data(), wanted.data(), all.size() * sizeof(float)) == 0);
}

TEST_CASE("scaled: gpt-oss's files in MXFP4 are the same model as those in bf16") {
  using M = GptOss<GptOssConfig{{.layers = 1,
                                 .heads = 2,
                                 .kv_heads = 1,
                                 .head_size = 4,
                                 .width = 32,
                                 .hidden = 32,
                                 .context = 16,
                                 .vocab = 5,
                                 .window = 128,
                                 .full_every = 2},
                                {.experts = 2, .chosen = 2, .expert_hidden = 32},
                                {}}>;
  Trained<M, Ref<float>> quantised(seed{1}), plain(seed{2});
  load_weights<M>(Ref<float>{}, quantised.weights(), SafeTensors(folder() + "gpt_oss/mxfp4.safetensors"));
  load_weights<M>(Ref<float>{}, plain.weights(), SafeTensors(folder() + "gpt_oss/bf16.safetensors"));
  for (auto const& p : quantised.parameters()) {
    CAPTURE(p.name);
    auto const a = quantised.value(p), b = plain.value(plain.parameter(p.name));
    CHECK(std::memcmp(a.data(), b.data(), p.size() * sizeof(float)) == 0);
  }
}

TEST_CASE("scaled: scales of another shape or type are refused by name; FP8 without scales is no dtype that is read") {
  const TemporaryFolder place;
  const std::vector<std::byte> zeros(4096);
  const auto tensor = [&](const char* name, const char* dtype, std::vector<std::size_t> shape, std::size_t bytes) {
    SafeTensor t;
    t.name = name;
    t.dtype = dtype;
    t.shape = shape;
    t.data = zeros.data();
    t.bytes = bytes;
    return t;
  };
  const std::string path = place / "w.safetensors";
  write_safetensors(path, {tensor("x_blocks", "U8", {3, 2, 16}, 96), tensor("x_scales", "U8", {3, 3}, 9)});
  CHECK_THROWS_WITH_AS(SafeTensors{path}, doctest::Contains("x_scales U8 [3, 3], expected U8 [3, 2]"), error);
  write_safetensors(path, {tensor("w", "F8_E4M3", {20, 10}, 200), tensor("w_scale_inv", "F32", {1, 2}, 8)});
  CHECK_THROWS_WITH_AS(SafeTensors{path}, doctest::Contains("w_scale_inv F32 [1, 2], expected F32 [1, 1]"), error);
  write_safetensors(path, {tensor("w", "F8_E4M3", {20, 10}, 200)});
  CHECK_FALSE(has_floats(SafeTensors(path).find("w")->dtype));
}

}  // namespace test_scaled
