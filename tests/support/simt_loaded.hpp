// Small models in files, and what they make of some tokens: for the tests of inference on the GPU's kernels.
#pragma once
#include <doctest/doctest.h>

#include <cmath>
#include <cstring>
#include <string>
#include <vector>

#include <fauna/decode/generate.hpp>
#include <fauna/decode/loaded.hpp>
#include <fauna/decode/speculate/speculate.hpp>
#include <fauna/models/gpt.hpp>
#include <fauna/models/llama.hpp>
#include <fauna/ops/activation/kernel.cuh>
#include <fauna/ops/adamw/kernel.cuh>
#include <fauna/ops/add/kernel.cuh>
#include <fauna/ops/attention/kernel.cuh>
#include <fauna/ops/clip/kernel.cuh>
#include <fauna/ops/cross_entropy/kernel.cuh>
#include <fauna/ops/draw_tokens/kernel.cuh>
#include <fauna/ops/dropout/kernel.cuh>
#include <fauna/ops/embedding/kernel.cuh>
#include <fauna/ops/gated/kernel.cuh>
#include <fauna/ops/layer_norm/kernel.cuh>
#include <fauna/ops/ref.hpp>
#include <fauna/ops/rms_norm/kernel.cuh>
#include <fauna/ops/rope/kernel.cuh>
#include <fauna/train/trained.hpp>

#include "kernels.hpp"
#include "temporary.hpp"
#include "worst.hpp"

namespace test {

using namespace fauna;

using SmallLlama = Llama<LlamaConfig{
    .layers = 2, .heads = 4, .kv_heads = 2, .head_size = 8, .width = 32, .hidden = 48, .context = 16, .vocab = 37}>;
/// A tied head, matrices that the file has transposed, biases, learned positions.
using SmallGpt = Gpt<GptConfig{.layers = 1, .heads = 2, .width = 24, .context = 16, .vocab = 31}>;

/// A model's file in f32, and the same with every number rounded to bf16. Norms and biases are bf16 numbers in both.
template <class M> struct Files {
  TemporaryFolder folder;
  std::string f32 = folder / "f32.safetensors", half = folder / "bf16.safetensors";

  Files() {
    Trained<M, Ref<float>> model(seed{9});
    M::visit(model.weights(), Place{}, [](Tensor const& t, auto& v) {
      for (std::size_t i = 0; t.rank() == 1 && i < v.size(); ++i)
        v.data()[i] += static_cast<float>(i * 37 % 128) / 128 - 0.5F;
    });
    save_weights<M>(f32, model.weights());
    const SafeTensors from(f32);
    std::vector<SafeTensor> tensors = from.tensors();
    std::vector<std::vector<bf16>> rounded;
    for (auto& t : tensors) {
      std::vector<float> values(t.elements());
      read_floats(t, 0, values.size(), values.data());
      rounded.emplace_back(values.begin(), values.end());
      t.dtype = "BF16";
      t.data = reinterpret_cast<const std::byte*>(rounded.back().data());
      t.bytes = values.size() * sizeof(bf16);
    }
    write_safetensors(half, tensors);
  }
};

/// Logits of every row of a ragged batch, then of the same rows and one more each through a cache, then losses.
template <class T> std::vector<double> outputs(T& model) {
  using S = typename T::scalar;
  using M = typename T::model;
  const int tokens[] = {1, 2, 3, 4, 5, 6, 7, 30, 9, 8, 7, 6, 5, 4, 3}, offsets[] = {0, 7, 8, 15}, next[] = {11, 12, 13};
  Batch b;
  b.sequences = 3;
  b.rows = 15;
  b.offsets = offsets;
  b.tokens = b.targets = tokens;
  model.prepare_inference({.sequences = 3, .length = 7, .total = 15, .context = 16});
  std::vector<S> all(22 * static_cast<std::size_t>(M::vocab));
  S* at = all.data();
  const auto room = [&](int rows, int cols) { return Matrix<S>(std::exchange(at, at + rows * cols), rows, cols); };
  model.logits(b, logit_rows::all, room(15, M::vocab));
  Cache<M, typename T::backend> cache(3, 16);
  model.logits(cache, b, logit_rows::last, room(3, M::vocab));
  model.logits(cache, Batch::uniform(3, 1, next), logit_rows::last, room(3, M::vocab));
  model.losses(b, room(15, 1).data());
  return std::vector<double>(all.begin(), all.begin() + (at - all.data()));
}
template <class M, class B> std::vector<double> trained_outputs(std::string const& path) {
  Trained<M, B> model(seed{1}, 1);
  load_weights<M>(B{}, model.weights(), SafeTensors(path));
  return outputs(model);
}
template <class M, class B> std::vector<double> loaded_outputs(std::string const& path) {
  Loaded<M, B> model(SafeTensors(path), 1);
  return outputs(model);
}

inline double distance(std::vector<double> const& a, std::vector<double> const& b) {
  REQUIRE(a.size() == b.size());
  double worst = 0;
  for (std::size_t i = 0; i < a.size(); ++i) see(worst, std::fabs(a[i] - b[i]));
  return worst;
}
/// Of the logits: the losses, of about ln(vocab), are the last 15.
inline double largest_logit(std::vector<double> const& a) {
  return distance(std::vector<double>(a.begin(), a.end() - 15), std::vector<double>(a.size() - 15, 0));
}

}  // namespace test
