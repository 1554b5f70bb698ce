// Checkpoints that do not fit are refused, and those in other precisions read.
#include <doctest/doctest.h>
#include <fauna/models/gpt.hpp>

#include "../support/families.hpp"

namespace test_families_files {

using namespace test;
using doctest::Contains;

namespace {
// The type of tests/golden/models/gpt2.
using SmallGpt2 =
    Gpt<GptConfig{.layers = 2, .heads = 3, .width = 24, .context = 32, .vocab = 29, .act = activation::gelu_tanh}>;
}  // namespace

TEST_CASE("another model's weights, a part of them, and names without their first part") {
  const SafeTensors llama(folder_of("llama_untied")), gpt(folder_of("gpt2"));
  Trained<SmallGpt2, Cpu<>> model(seed{3});
  const float before = model.weights().embed.weight(0, 0);
  CHECK_THROWS_WITH_AS(load_weights<SmallGpt2>(Cpu<>{}, model.weights(), llama), Contains("missing"), error);
  CHECK_THROWS_WITH_AS(load_weights<SmallGpt2>(Cpu<>{}, model.weights(), llama, {.partial = true}), Contains("missing"),
                       error);
  CHECK(model.weights().embed.weight(0, 0) == before);
  using Wider = Gpt<GptConfig{.layers = 2, .heads = 3, .width = 24, .context = 33, .vocab = 29}>;
  Trained<Wider, Cpu<>> wider;
  CHECK_THROWS_WITH_AS(load_weights<Wider>(Cpu<>{}, wider.weights(), gpt),
                       Contains("transformer.wpe.weight F32 [32, 24], the model has F32 [33, 24]"), error);
  using Deeper = Gpt<GptConfig{.layers = 3, .heads = 3, .width = 24, .context = 32, .vocab = 29}>;
  Trained<Deeper, Cpu<>> deeper;
  CHECK_THROWS_WITH_AS(load_weights<Deeper>(Cpu<>{}, deeper.weights(), gpt),
                       Contains("transformer.h.2.ln_1.weight (nearest: transformer.h."), error);
  const LoadReport report = load_weights<Deeper>(Cpu<>{}, deeper.weights(), gpt, {.partial = true});
  CHECK(report.missing.size() == 12);
  CHECK(report.unexpected.empty());
  // All that is wrong at once: a layer more, a context of another length, and a tensor that nobody has.
  using Both = Gpt<GptConfig{.layers = 3, .heads = 3, .width = 24, .context = 33, .vocab = 29}>;
  Trained<Both, Cpu<>> both;
  std::vector<SafeTensor> odd = gpt.tensors();
  odd.push_back(odd[0]);
  odd.back().name = "transformer.ln_g.bias";
  const TemporaryFolder odd_place;
  write_safetensors(odd_place / "odd.safetensors", odd);
  const SafeTensors odd_file(odd_place / "odd.safetensors");
  for (const char* part : {"12 missing", "1 unexpected", "transformer.ln_g.bias (nearest: transformer.ln_f.bias)",
                           "transformer.wpe.weight F32 [32, 24], the model has F32 [33, 24]"})
    CHECK_THROWS_WITH_AS(load_weights<Both>(Cpu<>{}, both.weights(), odd_file), Contains(part), error);
  CHECK(load_weights<Deeper>(Cpu<>{}, deeper.weights(), odd_file, {.partial = true}).unexpected.size() == 1);

  std::vector<SafeTensor> bare = gpt.tensors();
  for (auto& t : bare) t.name.erase(0, std::strlen("transformer."));
  bare.push_back(bare[0]);
  bare.back().name = "h.0.attn.bias";  // the mask that old files carry
  const TemporaryFolder place;
  write_safetensors(place / "bare.safetensors", bare);
  Trained<SmallGpt2, Cpu<>> again(seed{4}), plain(seed{5});
  load_weights<SmallGpt2>(Cpu<>{}, again.weights(), SafeTensors(place / "bare.safetensors"));
  load_weights<SmallGpt2>(Cpu<>{}, plain.weights(), gpt);
  for (auto const& p : plain.parameters())
    CHECK(std::memcmp(again.value(p).data(), plain.value(p).data(), p.size() * sizeof(float)) == 0);
}

TEST_CASE_TEMPLATE("weights that are stored in another precision", E, double, f16, bf16) {
  const SafeTensors gpt(folder_of("gpt2"));
  std::vector<std::vector<E>> numbers;
  std::vector<SafeTensor> tensors = gpt.tensors();
  for (auto& t : tensors) {
    std::vector<E> rounded;
    for (const float x : floats(&t)) rounded.push_back(static_cast<E>(x));
    numbers.push_back(rounded);
    t.dtype = float_dtype<E>;
    t.data = reinterpret_cast<const std::byte*>(numbers.back().data());
    t.bytes = rounded.size() * sizeof(E);
  }
  const TemporaryFolder place;
  write_safetensors(place / "model.safetensors", tensors);
  Trained<SmallGpt2, Cpu<>> model(seed{4}), plain(seed{5});
  load_weights<SmallGpt2>(Cpu<>{}, model.weights(), SafeTensors(place / "model.safetensors"));
  load_weights<SmallGpt2>(Cpu<>{}, plain.weights(), gpt);
  for (auto const& p : plain.parameters())
    for (std::size_t i = 0; i < p.size(); ++i) {
      const float want = static_cast<float>(static_cast<E>(plain.value(p).data()[i]));
      REQUIRE(model.value(p).data()[i] == want);
    }
}

}  // namespace test_families_files
