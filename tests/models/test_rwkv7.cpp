// RWKV-7 against the trained weights and logits that come with rwkv.cpp (12 layers of 64 columns, tokens are bytes),
// and against the author's package (tools/oracles/rwkv7.py).
#include <doctest/doctest.h>

#include "../support/rwkv.hpp"

using namespace fauna;

namespace {

using Published =
    Rwkv7<Rwkv7Config{.heads = 1, .width = 64, .hidden = 256, .decay = 32, .learning = 32, .gate = 32, .vocab = 256}>;
using Tiny = Rwkv7<Rwkv7Config{.layers = 3,
                               .heads = 2,
                               .width = 32,
                               .hidden = 128,
                               .decay = 8,
                               .learning = 6,
                               .value = 4,
                               .gate = 10,
                               .vocab = 40}>;

}  // namespace

TEST_CASE("rwkv7: the logits of trained weights, all at once and a row at a time") {
  const std::string folder = test::shared_rwkv();
  if (folder.empty()) return;
  const TensorFile weights = open_tensors(folder + "tiny-rwkv-7v0-834K-FP32.bin");
  const std::vector<float> want = test::expected(folder + "expected-logits-7v0-834K.bin");
  const std::vector<int> ids{'"', 'i', 'n'};
  const auto once = test::logits<Published, Cpu<>>(weights, ids, 3);
  CHECK(test::worst(once, want) < 2e-5);
  CHECK(test::logits<Published, Cpu<>>(weights, ids, 1) == once);
  CHECK(test::worst(test::logits<Published, Ref<double>, All<double>>(weights, ids, 3), want) < 2e-5);
}

TEST_CASE("rwkv7: rwkv.cpp's files in f16 are those numbers in f32") {
  const std::string folder = test::shared_rwkv();
  if (folder.empty()) return;
  const TensorFile weights = open_tensors(folder + "tiny-rwkv-7v0-834K-FP32.bin");
  // Matrices in f16, the rest in f32, as rwkv.cpp writes it.
  const auto file = [&](bool halves) {
    const auto word = [](std::size_t n) {
      const auto i = static_cast<std::int32_t>(n);
      return std::string(reinterpret_cast<const char*>(&i), sizeof i);
    };
    std::string all = word(0x67676d66) + word(101) + word(256) + word(64) + word(12) + word(halves);
    for (auto const& t : weights.tensors()) {
      const bool half = t.shape.size() == 2;
      all += word(t.shape.size()) + word(t.name.size()) + word(half && halves);
      for (std::size_t i = t.shape.size(); i-- > 0;) all += word(t.shape[i]);
      all += t.name;
      for (const float x : test::floats(&t)) {
        const f16 rounded(x);
        const float as_float = half ? static_cast<float>(rounded) : x;
        all += half && halves ? std::string(reinterpret_cast<const char*>(&rounded), sizeof rounded)
                              : std::string(reinterpret_cast<const char*>(&as_float), sizeof as_float);
      }
    }
    return all;
  };
  const TemporaryFolder at;
  write_file(at / "f16.bin", file(true));
  write_file(at / "f32.bin", file(false));
  const std::vector<int> ids{'"', 'i', 'n'};
  const auto halves = test::logits<Published, Cpu<>>(open_tensors(at / "f16.bin"), ids, 3);
  CHECK(halves == test::logits<Published, Cpu<>>(open_tensors(at / "f32.bin"), ids, 3));
  CHECK(halves != test::logits<Published, Cpu<>>(weights, ids, 3));
}

TEST_CASE("rwkv7: a checkpoint as torch.save writes it, and the logits of the author's package") {
  const TensorFile weights = open_tensors(test::source_path("tests/golden/rwkv7.pth"));
  const SafeTensors golden(test::source_path("tests/golden/rwkv7.safetensors"));
  const std::vector<int> ids = test::ints(golden.find("tokens"));
  const std::vector<float> want = test::floats(golden.find("logits"));
  float largest = 0;
  for (const float x : want) largest = std::fmax(largest, std::fabs(x));
  const auto once = test::logits<Tiny, Cpu<>>(weights, ids, 24);
  CHECK(test::worst(once, want) < 1e-4 * largest);  // two orders of summation
  for (const int rows : {1, 3}) CHECK(test::logits<Tiny, Cpu<>>(weights, ids, rows) == once);

  // Written and read again: the same tensors under the same names, without those that nothing reads.
  const TemporaryFolder folder;
  Trained<Tiny, Cpu<>> model(seed{1}, 1);
  load_weights<Tiny>(Cpu<>{}, model.weights(), weights);
  save_weights<Tiny>(folder / "w.safetensors", model.weights());
  const TensorFile written = open_tensors(folder / "w.safetensors");
  CHECK(written.tensors().size() == weights.tensors().size() - 3);
  for (auto const& t : written.tensors()) {
    CAPTURE(t.name);
    REQUIRE(weights.find(t.name) != nullptr);
    CHECK(weights.find(t.name)->shape == t.shape);
    CHECK(test::floats(&t) == test::floats(weights.find(t.name)));
  }
}
