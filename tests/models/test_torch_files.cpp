// Model directories of PyTorch's own files (tools/oracles/torch_files.py): the weights of the safetensors that they
// were made of, in a model of each family.
#include <doctest/doctest.h>

#include <cstring>
#include <fauna/decode/weights.hpp>
#include <fauna/io/open_tensors.hpp>
#include <fauna/models/mamba.hpp>
#include <fauna/models/mamba2.hpp>
#include <fauna/ops/cpu.hpp>

#include "../support/source_dir.hpp"
#include "../support/temporary.hpp"

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

TEST_CASE("one file, under the names of mamba_ssm") { same<TinyMamba2>("torch/mamba2", "models/mamba2"); }

TEST_CASE("shards, by their folder and by their index") {
  same<TinyMamba>("torch/mamba", "models/mamba");
  same<TinyMamba>("torch/mamba/pytorch_model.bin.index.json", "models/mamba");
}
