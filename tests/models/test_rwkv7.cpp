// RWKV-7 against the trained weights and logits that come with rwkv.cpp (12 layers of 64 columns, tokens are bytes),
// and against the author's package (tools/oracles/rwkv7.py).
#include <doctest/doctest.h>
#include <fauna/models/rwkv7.hpp>

#include "../support/rwkv.hpp"

namespace test_rwkv7 {

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

TEST_CASE("rwkv7: the same weights under the names of flash-linear-attention") {
  const TensorFile author = open_tensors(test::source_path("tests/golden/rwkv7.pth"));
  // As fla's converter of the author's files has it: each of its names beside the author's.
  const std::pair<const char*, const char*> whole[] = {
      {"emb.weight", "model.embeddings.weight"},
      {"ln_out.weight", "model.norm.weight"},
      {"ln_out.bias", "model.norm.bias"},
      {"head.weight", "lm_head.weight"},
  };
  const std::pair<const char*, const char*> of_layer[] = {
      {"ln0.weight", "pre_norm.weight"},
      {"ln0.bias", "pre_norm.bias"},
      {"ln1.weight", "attn_norm.weight"},
      {"ln1.bias", "attn_norm.bias"},
      {"ln2.weight", "ffn_norm.weight"},
      {"ln2.bias", "ffn_norm.bias"},
      {"att.x_r", "attn.x_r"},
      {"att.x_w", "attn.x_w"},
      {"att.x_k", "attn.x_k"},
      {"att.x_v", "attn.x_v"},
      {"att.x_a", "attn.x_a"},
      {"att.x_g", "attn.x_g"},
      {"att.k_k", "attn.k_k"},
      {"att.k_a", "attn.k_a"},
      {"att.r_k", "attn.r_k"},
      {"att.w0", "attn.w_lora.lora.2.bias"},
      {"att.w1", "attn.w_lora.lora.0.weight"},
      {"att.w2", "attn.w_lora.lora.2.weight"},
      {"att.a0", "attn.a_lora.lora.2.bias"},
      {"att.a1", "attn.a_lora.lora.0.weight"},
      {"att.a2", "attn.a_lora.lora.2.weight"},
      {"att.v0", "attn.v_lora.lora.2.bias"},
      {"att.v1", "attn.v_lora.lora.0.weight"},
      {"att.v2", "attn.v_lora.lora.2.weight"},
      {"att.g1", "attn.g_lora.lora.0.weight"},
      {"att.g2", "attn.g_lora.lora.2.weight"},
      {"att.receptance.weight", "attn.r_proj.weight"},
      {"att.key.weight", "attn.k_proj.weight"},
      {"att.value.weight", "attn.v_proj.weight"},
      {"att.output.weight", "attn.o_proj.weight"},
      {"att.ln_x.weight", "attn.g_norm.weight"},
      {"att.ln_x.bias", "attn.g_norm.bias"},
      {"ffn.x_k", "ffn.x_k"},
      {"ffn.key.weight", "ffn.key.weight"},
      {"ffn.value.weight", "ffn.value.weight"},
  };
  std::vector<SafeTensor> tensors;
  std::vector<std::vector<float>> values;
  values.reserve(author.tensors().size());
  const auto put = [&](std::string const& from, std::string const& to) {
    const SafeTensor* t = author.find(from);
    if (t == nullptr) return;
    SafeTensor as = *t;
    values.push_back(test::floats(t));
    as.name = to;
    as.dtype = "F32";
    if (to.find("_lora") != std::string::npos && as.shape.size() == 2) {
      std::vector<float> turned;
      for (std::size_t c = 0; c < as.shape[1]; ++c)
        for (std::size_t r = 0; r < as.shape[0]; ++r) turned.push_back(values.back()[r * as.shape[1] + c]);
      values.back() = turned;
      std::swap(as.shape[0], as.shape[1]);
    }
    if (as.shape.size() == 3 && to.find("attn.x_") == std::string::npos) as.shape = {as.shape[2]};
    as.data = reinterpret_cast<const std::byte*>(values.back().data());
    as.bytes = values.back().size() * sizeof(float);
    tensors.push_back(as);
  };
  for (auto const& [from, to] : whole) put(from, to);
  for (int layer = 0; layer < 3; ++layer)
    for (auto const& [from, to] : of_layer)
      if (layer > 0 || std::string_view(from).substr(0, 5) != "att.v" || from[5] > '2')
        put("blocks." + std::to_string(layer) + "." + from, "model.layers." + std::to_string(layer) + "." + to);
  const TemporaryFolder folder;
  write_safetensors(folder / "w.safetensors", tensors);
  const std::vector<int> ids{3, 1, 4, 1, 5, 9, 2, 6};
  CHECK(test::logits<Tiny, Cpu<>>(open_tensors(folder / "w.safetensors"), ids, 8) ==
        test::logits<Tiny, Cpu<>>(author, ids, 8));
}

}  // namespace test_rwkv7
