// 11: the same block on two backends.
//
// A block never says what it runs on: the backend is a type that comes with the call, and picks every kernel. Here one
// model type runs on the CPU policy and on the reference policy, whose ops are plain loops in double precision. In a
// .cu file, with <fauna/fauna.cuh>, the same line with fauna::Cuda<> makes a GPU program (docs/cuda.md).
#include <cmath>
#include <cstdio>
#include <vector>

#include <fauna/fauna.hpp>

using namespace fauna;
using Model = Llama<LlamaConfig{
    .layers = 2, .heads = 4, .kv_heads = 2, .head_size = 8, .width = 32, .hidden = 48, .context = 16, .vocab = 30}>;

/// Loss of one batch and the gradient's norm.
struct Result {
  double loss = 0, norm = 0;
};
template <class Backend> Result run(Batch const& batch) {
  Trained<Model, Backend> model(seed{5});  // the same draws for every backend
  model.prepare_training({.sequences = batch.sequences, .length = batch.length});
  Result r;
  r.loss = model.accumulate(batch);
  for (auto const& p : model.parameters()) {
    const auto g = model.gradient(p);
    for (std::size_t i = 0; i < g.size(); ++i)
      r.norm += static_cast<double>(g.data()[i]) * static_cast<double>(g.data()[i]);
  }
  r.norm = std::sqrt(r.norm);
  return r;
}

int main() {
  std::vector<int> tokens, targets;
  for (int i = 0; i < 24; ++i) {
    tokens.push_back(i * 7 % Model::vocab);
    targets.push_back((i + 1) * 7 % Model::vocab);
  }
  const Batch batch = Batch::uniform(2, 12, tokens.data(), targets.data());
  const Result cpu = run<Cpu<>>(batch), reference = run<Ref<double>>(batch), half = run<Cpu<bf16_products>>(batch);
  std::printf("Cpu<>               loss %.7f, gradient norm %.7f\n", cpu.loss, cpu.norm);
  std::printf("Ref<double>         loss %.7f, gradient norm %.7f\n", reference.loss, reference.norm);
  std::printf("Cpu<bf16_products>  loss %.7f, gradient norm %.7f\n", half.loss, half.norm);
  return std::abs(cpu.loss - reference.loss) < 1e-5 && std::abs(cpu.norm / reference.norm - 1) < 1e-5 &&
                 std::abs(half.loss - reference.loss) < 1e-2
             ? 0
             : 1;
}
