// Tiny random models of each family, as the reference library has them (tools/oracles/families.py), and the comparison
// with what it makes of them. The types are what `tools/fauna type` makes of their configs.
#pragma once
#include <doctest/doctest.h>

#include <cmath>
#include <cstring>
#include <fauna/fauna.hpp>
#include <vector>

#include "source_dir.hpp"
#include "temporary.hpp"
#include "worst.hpp"

namespace test {

using namespace fauna;

struct LlamaUntied : Llama<LlamaConfig{.layers = 2,
                                       .heads = 4,
                                       .kv_heads = 2,
                                       .head_size = 6,
                                       .width = 24,
                                       .hidden = 40,
                                       .context = 32,
                                       .vocab = 29}> {
  static constexpr const char* folder = "llama_untied";
};
struct LlamaTied : Llama<LlamaConfig{.layers = 2,
                                     .heads = 3,
                                     .kv_heads = 1,
                                     .head_size = 8,
                                     .width = 24,
                                     .hidden = 40,
                                     .context = 32,
                                     .vocab = 29,
                                     .base = 500,
                                     .scaling = {.kind = rope_scaling::llama3, .factor = 8, .original = 16},
                                     .tied = true,
                                     .attention_bias = true,
                                     .mlp_bias = true}> {
  static constexpr const char* folder = "llama_tied";
};
struct LlamaBf16 : Llama<LlamaConfig{.layers = 2,
                                     .heads = 4,
                                     .kv_heads = 4,
                                     .head_size = 8,
                                     .width = 24,
                                     .hidden = 40,
                                     .context = 32,
                                     .vocab = 29}> {
  static constexpr const char* folder = "llama_bf16";
};
struct LlamaSharded : LlamaUntied {
  static constexpr const char* folder = "llama_sharded";
};
struct NeoX : GptNeoX<GptNeoXConfig{
                  .layers = 2, .heads = 2, .width = 24, .hidden = 40, .context = 32, .vocab = 29, .rotary = 4}> {
  static constexpr const char* folder = "gpt_neox";
};
struct NeoXSequential : GptNeoX<GptNeoXConfig{.layers = 2,
                                              .heads = 2,
                                              .width = 24,
                                              .hidden = 40,
                                              .context = 32,
                                              .vocab = 29,
                                              .rotary = 12,
                                              .parallel = false,
                                              .act = activation::gelu_tanh}> {
  static constexpr const char* folder = "gpt_neox_sequential";
};
struct SmallGpt2
    : Gpt<GptConfig{.layers = 2, .heads = 3, .width = 24, .context = 32, .vocab = 29, .act = activation::gelu_tanh}> {
  static constexpr const char* folder = "gpt2";
};

inline std::string folder_of(std::string const& name) {
  return source_path("tests/golden/models/" + name);
}

inline std::vector<float> floats(SafeTensor const* t) {
  REQUIRE(t != nullptr);
  std::vector<float> v(t->elements());
  read_floats(*t, 0, v.size(), v.data());
  return v;
}
inline std::vector<int> ints(SafeTensor const* t) {
  REQUIRE(t != nullptr);
  std::vector<int> v(t->elements());
  std::memcpy(v.data(), t->data, t->bytes);
  return v;
}
/// The largest difference, and the largest number that was wanted.
struct Gap {
  double most = 0, scale = 0;
  void see(double got, double want) {
    test::see(most, std::fabs(got - want));
    scale = std::fmax(scale, std::fabs(want));
  }
  /// Two libraries that add f32 numbers in different orders, over two layers.
  bool close() const { return most <= 1e-4 * scale && scale > 0; }
};

struct Golden {
  SafeTensors file;
  std::vector<int> tokens, targets;
  int length;
  explicit Golden(std::string const& folder)
      : file(folder + "/golden.safetensors"),
        tokens(ints(file.find("tokens"))),
        targets(ints(file.find("targets"))),
        length(static_cast<int>(tokens.size()) / 2) {}
  Batch batch() const { return Batch::uniform(2, length, tokens.data(), targets.data()); }
};

/// Logits, loss and every gradient.
template <class M> void check_training() {
  CAPTURE(M::folder);
  const std::string folder = folder_of(M::folder);
  const Golden golden(folder);
  Trained<M, Cpu<>> model(seed{1}, 2);
  load_weights<M>(Cpu<>{}, model.weights(), SafeTensors(folder));
  model.prepare_training({.sequences = 2, .length = golden.length});

  const double loss = model.accumulate(golden.batch());
  CHECK(loss == doctest::Approx(floats(golden.file.find("loss"))[0]).epsilon(1e-5));
  std::vector<float> logits(golden.tokens.size() * M::vocab);
  model.logits(golden.batch(), Matrix<float>(logits.data(), golden.batch().rows, M::vocab));
  const auto want = floats(golden.file.find("logits"));
  Gap gap;
  for (std::size_t i = 0; i < want.size(); ++i) gap.see(logits[i], want[i]);
  CHECK(gap.close());

  // Gradients in the checkpoint's layout: written as weights are, and read back.
  const TemporaryFolder place;
  save_weights<M>(place / "gradients.safetensors", model.gradients());
  const SafeTensors gradients(place / "gradients.safetensors");
  for (auto const& t : gradients.tensors()) {
    CAPTURE(t.name);
    const auto got = floats(&t), expected = floats(golden.file.find("grad." + t.name));
    REQUIRE(got.size() == expected.size());
    Gap g;
    for (std::size_t i = 0; i < got.size(); ++i) g.see(got[i], expected[i]);
    CHECK(g.close());
  }
}

}  // namespace test
