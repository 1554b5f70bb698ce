// The families that come from elsewhere, against the library they come from: tiny random models, saved by it, with its
// logits, loss and gradients (tools/oracles/families.py). The types are what `tools/fauna type` makes of their configs.
#include <doctest/doctest.h>

#include <cmath>
#include <cstring>
#include <fauna/fauna.hpp>
#include <vector>

#include "../support/temporary.hpp"

using namespace fauna;
using doctest::Contains;

namespace {

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

std::string folder_of(std::string const& name) {
  return std::string(FAUNA_SOURCE_DIR) + "/tests/golden/models/" + name;
}

std::vector<float> floats(SafeTensor const* t) {
  REQUIRE(t != nullptr);
  std::vector<float> v(t->elements());
  read_floats(*t, 0, v.size(), v.data());
  return v;
}
std::vector<int> ints(SafeTensor const* t) {
  REQUIRE(t != nullptr);
  std::vector<int> v(t->elements());
  std::memcpy(v.data(), t->data, t->bytes);
  return v;
}
/// The largest difference, and the largest number that was wanted.
struct Gap {
  double most = 0, scale = 0;
  void see(double got, double want) {
    most = std::fmax(most, std::fabs(got - want));
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

}  // namespace

TEST_CASE_TEMPLATE("logits, loss and every gradient are the reference library's", M, LlamaUntied, LlamaTied, LlamaBf16,
                   LlamaSharded, NeoX, NeoXSequential, SmallGpt2) {
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

TEST_CASE_TEMPLATE("packed for inference: the reference's logits, and those of one token after another", M, LlamaUntied,
                   LlamaTied, NeoX, SmallGpt2) {
  CAPTURE(M::folder);
  const std::string folder = folder_of(M::folder);
  const Golden golden(folder);
  Loaded<M, Cpu<>> model((SafeTensors(folder)));
  const auto want = floats(golden.file.find("logits"));
  model.prepare_inference({.sequences = 2, .length = golden.length, .context = golden.length});
  std::vector<float> all(want.size()), stepped(want.size());
  model.logits(golden.batch(), Matrix<float>(all.data(), golden.batch().rows, M::vocab));
  Gap gap;
  for (std::size_t i = 0; i < want.size(); ++i) gap.see(all[i], want[i]);
  CHECK(gap.close());
  Cache<M, Cpu<>> cache(2, golden.length);
  for (int r = 0; r < golden.length; ++r) {
    const int pair[2] = {golden.tokens[static_cast<std::size_t>(r)],
                         golden.tokens[static_cast<std::size_t>(golden.length + r)]};
    std::vector<float> row(2 * M::vocab);
    model.logits(cache, Batch::uniform(2, 1, pair), Matrix<float>(row.data(), 2, M::vocab));
    for (int s = 0; s < 2; ++s)
      std::memcpy(stepped.data() + static_cast<std::ptrdiff_t>(s * golden.length + r) * M::vocab,
                  row.data() + static_cast<std::ptrdiff_t>(s) * M::vocab, M::vocab * sizeof(float));
  }
  CHECK(stepped == all);
}

TEST_CASE_TEMPLATE("what is written is what was read, bit for bit", M, LlamaUntied, LlamaTied, NeoX, NeoXSequential,
                   SmallGpt2) {
  CAPTURE(M::folder);
  const SafeTensors from(folder_of(M::folder));
  Trained<M, Cpu<>> model;
  load_weights<M>(Cpu<>{}, model.weights(), from);
  const TemporaryFolder place;
  save_weights<M>(place / "model.safetensors", model.weights());
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
