// Mamba and Mamba-2 by way of GGUF, which has the rates of decay themselves where the hub has their logarithms.
#include <doctest/doctest.h>

#include <fauna/fauna.hpp>
#include <tools/src/convert.hpp>

#include "../support/temporary.hpp"

namespace test_convert_mamba {

using namespace fauna;

namespace {

using SmallMamba = Mamba<MambaConfig{.layers = 2, .width = 16, .inner = 32, .states = 4, .rank = 3, .vocab = 29}>;
using SmallMamba2 = Mamba2<Mamba2Config{
    .layers = 2, .width = 16, .heads = 4, .head_size = 8, .states = 4, .groups = 2, .vocab = 29, .tied = true}>;

template <class M> std::vector<float> logits(std::string const& path) {
  Loaded<M, Cpu<>> model(open_tensors(path), 1);
  const std::vector<int> ids = {1, 4, 2, 3, 0, 5};
  const int n = static_cast<int>(ids.size());
  model.prepare_inference({.sequences = 1, .length = n});
  std::vector<float> y(ids.size() * M::vocab);
  model.logits(Batch::uniform(1, n, ids.data()), logit_rows::all, Matrix<float>(y.data(), n, M::vocab));
  return y;
}
/// The furthest that numbers lie apart.
float apart(std::vector<float> const& a, std::vector<float> const& b) {
  REQUIRE(a.size() == b.size());
  float furthest = 0;
  for (std::size_t i = 0; i < a.size(); ++i) furthest = std::max(furthest, std::fabs(a[i] - b[i]));
  return furthest;
}
float apart(SafeTensor const& a, SafeTensor const& b) {
  std::vector<float> x(a.elements()), y(b.elements());
  read_floats(a, 0, x.size(), x.data());
  read_floats(b, 0, y.size(), y.data());
  return apart(x, y);
}

template <class M> void there_and_back(const char* family, std::vector<std::size_t> const& shape_of_rates) {
  CAPTURE(std::string(family));
  const TemporaryFolder folder;
  const std::string hub = folder / "hub", gguf = folder / "m.gguf", back = folder / "back";
  make_directories(hub);
  Trained<M, Cpu<>> model(seed{3});
  save_weights<M>(hub + "/model.safetensors", model.weights());
  write_file(hub + "/config.json", tool::families().at(family).parse(to_text(M::config))->config_json().dump());
  tool::convert(hub, gguf, "");
  CHECK(tool::model_of_weights(gguf)->line() == to_text(M::config));
  const Gguf file(gguf);
  CHECK(file.text("general.architecture") == family);
  SafeTensor const& rates = *file.find("blk.1.ssm_a");
  CHECK(rates.shape == shape_of_rates);
  std::vector<float> a(rates.elements());
  read_floats(rates, 0, a.size(), a.data());
  for (const float x : a) CHECK(x < 0);
  CHECK(file.find("blk.0.ssm_conv1d.weight")->shape.size() == 2);
  CHECK(apart(logits<M>(gguf), logits<M>(hub)) < 1e-5F);
  tool::convert(gguf, back, "");
  CHECK(tool::read_config(back).model->line() == to_text(M::config));
  const TensorFile want = open_tensors(hub), is = open_tensors(back);
  CHECK(is.tensors().size() == want.tensors().size());
  for (SafeTensor const& t : want.tensors()) {
    CAPTURE(t.name);
    SafeTensor const* const found = is.find(t.name);
    REQUIRE(found != nullptr);
    CHECK(found->shape == t.shape);
    // The logarithm of an exponential: numbers up to 3 in f32.
    CHECK(apart(*found, t) <= (t.name.ends_with("A_log") ? 2 * 0x1p-23F : 0.0F));
  }
}

}  // namespace

TEST_CASE("convert: mamba and mamba2") {
  there_and_back<SmallMamba>("mamba", {32, 4});
  there_and_back<SmallMamba2>("mamba2", {4, 1});
}
TEST_CASE("convert: what llama.cpp has no word for in Mamba is refused") {
  const auto refused = [&](const char* family, std::string const& text, const char* what) {
    GgufMetadata keys;
    CHECK_THROWS_WITH_AS(tool::families().at(family).parse(text)->to_gguf(keys), doctest::Contains(what), error);
  };
  MambaConfig narrow = SmallMamba::config;
  narrow.inner = 24;
  refused("mamba", to_text(narrow), "twice the width, 16");
  Mamba2Config biased = SmallMamba2::config;
  biased.bias = true;
  refused("mamba2", to_text(biased), "bias=false");
}

}  // namespace test_convert_mamba
