// Architectures of GGUF whose rows lie as the hub's do: what is read from such a file computes the same, to the bit.
#include <doctest/doctest.h>

#include <fauna/fauna.hpp>
#include <fauna/models/qwen2.hpp>
#include <fauna/models/qwen3.hpp>
#include <tools/src/convert.hpp>

#include "../support/source_dir.hpp"
#include "../support/temporary.hpp"

namespace test_convert_decoders {

using namespace fauna;

namespace {

using SmallQwen2 = Qwen2<Qwen2Config{.layers = 2,
                                     .heads = 2,
                                     .kv_heads = 1,
                                     .head_size = 8,
                                     .width = 16,
                                     .hidden = 24,
                                     .context = 32,
                                     .vocab = 29,
                                     .base = 20,
                                     .scaling = {.kind = rope_scaling::linear, .factor = 2},
                                     .epsilon = 1e-6F,
                                     .tied = true}>;
using SmallQwen3 = Qwen3<Qwen3Config{.layers = 2,
                                     .heads = 4,
                                     .kv_heads = 2,
                                     .head_size = 6,
                                     .width = 16,
                                     .hidden = 24,
                                     .context = 32,
                                     .vocab = 29,
                                     .epsilon = 1e-6F}>;

template <class M> std::vector<float> logits(std::string const& path) {
  Loaded<M, Cpu<>> model(open_tensors(path), 1);
  const std::vector<int> ids = {1, 4, 2, 3, 0, 5};
  const int n = static_cast<int>(ids.size());
  model.prepare_inference({.sequences = 1, .length = n});
  std::vector<float> y(ids.size() * M::vocab);
  const Batch b = Batch::uniform(1, n, ids.data());
  model.logits(b, logit_rows::all, Matrix<float>(y.data(), n, M::vocab));
  return y;
}

/// A directory with random weights goes there and back, and each of the three is the same model.
template <class M> void there_and_back(const char* family) {
  CAPTURE(std::string(family));
  const TemporaryFolder folder;
  const std::string hub = folder / "hub", gguf = folder / "m.gguf", back = folder / "back";
  make_directories(hub);
  Trained<M, Cpu<>> model(seed{3});
  M::visit(model.weights(), Place{}, [](Tensor const& t, auto& v) {  // norms begin as ones, biases as zeros
    for (std::size_t i = 0; t.is_vector() && i < v.size(); ++i) v.data()[i] += 0.01F * static_cast<float>(i % 7);
  });
  save_weights<M>(hub + "/model.safetensors", model.weights());
  write_file(hub + "/config.json", tool::families().at(family).parse(to_text(M::config))->config_json().dump());
  tool::convert(hub, gguf, "");
  CHECK(tool::model_of_weights(gguf)->line() == to_text(M::config));
  CHECK(Gguf(gguf).text("general.architecture") == family);
  CHECK(logits<M>(gguf) == logits<M>(hub));
  tool::convert(gguf, back, "");
  CHECK(read_file(back + "/model.safetensors") == read_file(hub + "/model.safetensors"));
  CHECK(tool::read_config(back).model->line() == to_text(M::config));
}

}  // namespace

TEST_CASE("convert: qwen2 and qwen3") {
  there_and_back<SmallQwen2>("qwen2");
  there_and_back<SmallQwen3>("qwen3");
}

TEST_CASE("convert: what the keys of these have no word for is refused") {
  const TemporaryFolder folder;
  const auto refused = [&](const char* family, std::string const& text, const char* what) {
    GgufMetadata keys;
    CHECK_THROWS_WITH_AS(tool::families().at(family).parse(text)->to_gguf(keys), doctest::Contains(what), error);
  };
  Qwen3Config window = SmallQwen3::config;
  window.window = 3;
  refused("qwen3", to_text(window), "window=3");
  Qwen2Config yarn = SmallQwen2::config;
  yarn.scaling = {.kind = rope_scaling::yarn, .factor = 2, .attention = 1.5};
  refused("qwen2", to_text(yarn), "YaRN as its paper has it");
  CHECK_THROWS_WITH_AS(tool::convert(test::source_path("tests/golden/models/opt"), folder / "m.gguf", ""),
                       doctest::Contains("one of a family that GGUF is written of: these are bloom, cohere2, deepseek"),
                       error);
}

}  // namespace test_convert_decoders
