// Model directories of PyTorch's own files (tools/oracles/torch_files.py): the weights of the safetensors that they
// were made of, in a model of each family.
#include <doctest/doctest.h>
#include <fauna/io/open_tensors.hpp>
#include <fauna/models/gpt.hpp>
#include <fauna/models/mamba.hpp>
#include <fauna/models/mamba2.hpp>

#include <cstring>

#include "../support/families.hpp"

namespace test_torch_files {

using namespace fauna;

namespace {

/// All weights of a model, tensor by tensor, as they were loaded.
template <class M> std::vector<float> weights(TensorFile const& file) {
  std::vector<float> all(M::parameters);
  typename M::template Weights<All<float>> w;
  float* at = all.data();
  M::visit(w, Place{}, [&at](Tensor const& t, auto& v) {
    v = Matrix<float>(at, t.rows, t.cols);
    at += t.size();
  });
  load_weights<M>(Cpu<>{}, w, file);
  return all;
}
template <class M> void same(std::string const& torch, std::string const& safetensors) {
  const std::string path = test::source_path("tests/golden/" + torch);
  CHECK(tensor_format_of(path) == tensor_format::pth);
  const auto got = weights<M>(open_tensors(path)),
             want = weights<M>(SafeTensors(test::source_path("tests/golden/" + safetensors)));
  CHECK(std::memcmp(got.data(), want.data(), got.size() * sizeof(float)) == 0);
  CHECK(got.size() == want.size());
}

using TinyMamba = Mamba<MambaConfig{.layers = 2, .width = 24, .inner = 48, .states = 5, .rank = 3, .vocab = 29}>;
using TinyMamba2 = Mamba2<Mamba2Config{.layers = 2, .width = 24, .heads = 6, .head_size = 8, .states = 5, .vocab = 29}>;

}  // namespace

TEST_CASE("one file, under the names of mamba_ssm") { same<TinyMamba2>("torch/mamba2", "mamba2"); }

TEST_CASE("what transformers makes of it") {
  const test::Golden golden(test::source_path("tests/golden/mamba2"));
  Loaded<TinyMamba2, Cpu<>> model(open_tensors(test::source_path("tests/golden/torch/mamba2")));
  model.prepare_inference({.sequences = 2, .length = golden.length, .context = golden.length});
  const auto want = test::floats(golden.file.find("logits"));
  std::vector<float> got(want.size());
  model.logits(golden.batch(), logit_rows::all, Matrix<float>(got.data(), golden.batch().rows, TinyMamba2::vocab));
  test::Gap gap;
  for (std::size_t i = 0; i < want.size(); ++i) gap.see(got[i], want[i]);
  CHECK(gap.close());
}

TEST_CASE("shards, by their folder and by their index") {
  same<TinyMamba>("torch/mamba", "models/mamba");
  same<TinyMamba>("torch/mamba/pytorch_model.bin.index.json", "models/mamba");
}

}  // namespace test_torch_files
