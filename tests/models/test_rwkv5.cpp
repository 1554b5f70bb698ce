// RWKV-5.2 against the trained weights and logits that come with rwkv.cpp (12 layers of 64 columns, tokens are bytes),
// RWKV-5.2 and 6 against the author's package (tools/oracles/rwkv56.py), and rwkv.cpp's layouts of RWKV-6.
#include <doctest/doctest.h>

#include <fauna/models/rwkv5.hpp>
#include <fauna/models/rwkv6.hpp>

#include "../support/rwkv.hpp"

namespace test_rwkv5 {

using namespace fauna;

namespace {

using Published = Rwkv5<Rwkv5Config{.layers = 12, .heads = 8, .width = 64, .hidden = 256, .divisor = 1, .vocab = 256}>;
using Tiny5 = Rwkv5<Rwkv5Config{.layers = 2, .heads = 2, .width = 32, .hidden = 48, .vocab = 24}>;
using Tiny6 = Rwkv6<Rwkv6Config{.layers = 2, .heads = 2, .width = 32, .hidden = 48, .mix = 4, .decay = 6, .vocab = 24}>;

/// The tensors of a file as rwkv.cpp's converter writes those of RWKV-6, in f32.
std::string as_rwkv_cpp(TensorFile const& from) {
  const auto word = [](std::size_t n) {
    const auto i = static_cast<std::int32_t>(n);
    return std::string(reinterpret_cast<const char*>(&i), sizeof i);
  };
  std::string all = word(0x67676d66) + word(101) + word(24) + word(32) + word(2) + word(0);
  for (auto const& t : from.tensors()) {
    std::vector<std::size_t> shape = t.shape;
    std::vector<float> values = test::floats(&t);
    if (t.name.find(".time_") != std::string::npos) {
      std::erase(shape, 1U);
      if (t.name.ends_with("time_faaaa")) shape.push_back(1);
      if (t.name.ends_with("_w1") || t.name.ends_with("_w2")) {
        const std::size_t rows = shape[shape.size() - 2], cols = shape.back(), size = rows * cols;
        std::vector<float> turned;
        for (std::size_t part = 0; part < values.size(); part += size)
          for (std::size_t c = 0; c < cols; ++c)
            for (std::size_t r = 0; r < rows; ++r) turned.push_back(values[part + r * cols + c]);
        values = turned;
        std::swap(shape[shape.size() - 2], shape.back());
      }
    }
    all += word(shape.size()) + word(t.name.size()) + word(0);
    for (std::size_t i = shape.size(); i-- > 0;) all += word(shape[i]);
    all += t.name + std::string(reinterpret_cast<const char*>(values.data()), values.size() * sizeof(float));
  }
  return all;
}

/// The package's logits, all at once and in pieces; and what is written is what was read.
template <class M> void check(std::string const& name) {
  const TensorFile weights = open_tensors(test::source_path("tests/golden/" + name + ".pth"));
  const SafeTensors golden(test::source_path("tests/golden/" + name + ".safetensors"));
  const std::vector<int> ids = test::ints(golden.find("tokens"));
  const std::vector<float> want = test::floats(golden.find("logits"));
  float largest = 0;
  for (const float x : want) largest = std::fmax(largest, std::fabs(x));
  const auto once = test::logits<M, Cpu<>>(weights, ids, 24);
  CHECK(test::worst(once, want) < 1e-4 * largest);  // two orders of summation
  for (const int rows : {1, 3}) CHECK(test::logits<M, Cpu<>>(weights, ids, rows) == once);

  const TemporaryFolder folder;
  Trained<M, Cpu<>> model(seed{1}, 1);
  load_weights<M>(Cpu<>{}, model.weights(), weights);
  save_weights<M>(folder / "w.safetensors", model.weights());
  const TensorFile written = open_tensors(folder / "w.safetensors");
  CHECK(written.tensors().size() == weights.tensors().size());
  for (auto const& t : written.tensors()) {
    CAPTURE(t.name);
    REQUIRE(weights.find(t.name) != nullptr);
    CHECK(weights.find(t.name)->shape == t.shape);
    CHECK(test::floats(&t) == test::floats(weights.find(t.name)));
  }
}

}  // namespace

TEST_CASE("rwkv5: the logits of trained weights, all at once and a row at a time") {
  const std::string folder = test::shared_rwkv();
  if (folder.empty()) return;
  const TensorFile weights = open_tensors(folder + "tiny-rwkv-5v2-730K-FP32.bin");
  const std::vector<float> want = test::expected(folder + "expected-logits-5v2-730K.bin");
  const std::vector<int> ids{'"', 'i', 'n'};
  const auto once = test::logits<Published, Cpu<>>(weights, ids, 3);
  CHECK(test::worst(once, want) < 2e-5);
  CHECK(test::logits<Published, Cpu<>>(weights, ids, 1) == once);
  CHECK(test::worst(test::logits<Published, Ref<double>, All<double>>(weights, ids, 3), want) < 2e-5);
}

TEST_CASE("rwkv5: a checkpoint as torch.save writes it, and the logits of the author's package") {
  check<Tiny5>("rwkv5");
}
TEST_CASE("rwkv6: a checkpoint as torch.save writes it, and the logits of the author's package") {
  check<Tiny6>("rwkv6");
}

TEST_CASE("rwkv6: a file of rwkv.cpp has the author's tensors") {
  const TensorFile author = open_tensors(test::source_path("tests/golden/rwkv6.pth"));
  const TemporaryFolder folder;
  write_file(folder / "w.bin", as_rwkv_cpp(author));
  const TensorFile file = open_tensors(folder / "w.bin");
  CHECK(file.tensors().size() == author.tensors().size());
  for (auto const& t : file.tensors()) {
    CAPTURE(t.name);
    REQUIRE(author.find(t.name) != nullptr);
    CHECK(author.find(t.name)->shape == t.shape);
    CHECK(test::floats(&t) == test::floats(author.find(t.name)));
  }
}

}  // namespace test_rwkv5
