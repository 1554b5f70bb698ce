// gpt-oss with its matrices in blocks: the MXFP4 of its own files, whose scales lie in tensors of their own, and what
// is quantised at load.
#include <doctest/doctest.h>

#include <algorithm>
#include <fauna/decode/in_blocks.hpp>
#include <fauna/decode/loaded.hpp>
#include <fauna/io/open_tensors.hpp>
#include <fauna/models/gpt_oss.hpp>
#include <fauna/ops/cpu.hpp>
#include <fauna/train/trained.hpp>

#include "support/gguf_model.hpp"
#include "support/source_dir.hpp"
#include "support/temporary.hpp"

namespace test_gpt_oss_in_blocks {

using namespace fauna;
using test::difference;

namespace {

using Bk = Cpu<>;
/// Of tests/golden/scaled/gpt_oss (tools/oracles/scaled_files.py).
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
using MInBlocks = Loaded<M, Bk, InBlocks<Bk>>;
constexpr int ids[] = {1, 4, 2, 3, 0, 1};
constexpr BlockCode mxfp4 = block_format("MXFP4")->code;

template <class L> std::vector<float> logits(L& model, int n = 6) {
  std::vector<float> y(static_cast<std::size_t>(n * M::vocab));
  model.prepare_inference({.sequences = 1, .length = n});
  model.logits(Batch::uniform(1, n, ids), logit_rows::all, Matrix<float>(y.data(), n, M::vocab));
  return y;
}
std::string golden() { return test::source_path("tests/golden/scaled/gpt_oss/mxfp4.safetensors"); }

/// The file with this byte as the first scale of each tensor in MXFP4.
void write_with_scale(std::string const& path, int scale) {
  const SafeTensors file(golden());
  std::vector<SafeTensor> all;
  std::vector<std::vector<std::byte>> scales;
  scales.reserve(file.tensors().size());
  for (SafeTensor t : file.tensors()) {
    if (t.dtype == scaled_mxfp4) {
      SafeTensor of = t.parts[0];
      scales.emplace_back(of.data, of.data + of.bytes);
      scales.back()[0] = std::byte(scale);
      of.data = scales.back().data();
      t.dtype = "U8";
      t.shape = of.shape;
      t.shape.push_back(16);
      t.parts.clear();
      all.push_back(of);
    }
    all.push_back(t);
  }
  write_safetensors(path, all);
}

}  // namespace

TEST_SUITE("gpt-oss in blocks") {
  TEST_CASE("files in MXFP4: experts are those blocks, to the bit, and biases and clamps stand beside them") {
    const TensorFile file = open_tensors(golden());
    MInBlocks model(file, 2);
    int experts = 0;
    M::visit(model.weights(), Place{}, [&](Tensor const& t, auto& v) {
      if (t.stored != kind::matrix || t.name().find("experts.") == std::string::npos) return;
      ++experts;
      if constexpr (requires { v.code; }) {
        CHECK(v.code == mxfp4);
        const std::vector<float> want = read_tensor<M>(file, t);
        std::vector<float> numbers(t.size());
        for (int r = 0; r < t.rows; ++r) reading(v).row(r, nullptr, numbers.data() + r * t.cols);
        CHECK(numbers == want);
      }
    });
    CHECK(experts == 2 * 3);
    Loaded<M, Bk> in_float(file, 1);
    const std::vector<float> y = logits(model);
    CHECK(difference(y, logits(in_float)) < 0.02);  // activations have 8 bits
    CHECK(std::vector<float>(y.begin(), y.begin() + 2 * M::vocab) == logits(model, 2));
  }
  TEST_CASE("the least scales are exact, and one that is no number is refused by name") {
    const TemporaryFolder folder;
    for (const int scale : {0, 1, 2, 254}) {
      write_with_scale(folder / "w.safetensors", scale);
      const TensorFile file = open_tensors(folder / "w.safetensors");
      MInBlocks model(file, 1);
      M::visit(model.weights(), Place{}, [&](Tensor const& t, auto& v) {
        if (t.name().find("experts.0.gate_proj.weight") == std::string::npos) return;
        if constexpr (requires { v.code; }) {
          std::vector<float> numbers(static_cast<std::size_t>(t.cols));
          reading(v).row(0, nullptr, numbers.data());
          CHECK(std::equal(numbers.begin(), numbers.end(), read_tensor<M>(file, t).begin()));
        }
      });
    }
    write_with_scale(folder / "w.safetensors", 255);
    CHECK_THROWS_WITH_AS(MInBlocks(open_tensors(folder / "w.safetensors"), 1),
                         doctest::Contains("experts.gate_up_proj_blocks has a block whose scale is infinite"), error);
  }
  TEST_CASE("quantised at load, from files whose experts are transposed too: one model; planned") {
    const TemporaryFolder folder;
    Trained<M, Bk> model(seed{2});
    save_weights<M>(folder / "w.safetensors", model.weights());
    const SafeTensors plain(folder / "w.safetensors");
    for (const char* type : {"MXFP4", "Q8_0", "Q4_K"}) {  // of rows of 32 the last is Q5_0
      CAPTURE(std::string(type));
      MInBlocks made(model.weights(), 1, {.quantise = type}), read(plain, 2, {.quantise = type});
      CHECK(logits(made) == logits(read));
      const std::size_t planned = bytes_in_blocks<M, Bk>(type);  // whole pages are taken
      CHECK(planned <= read.weight_bytes());
      CHECK(read.weight_bytes() - planned < 4096);
    }
  }
}

}  // namespace test_gpt_oss_in_blocks
