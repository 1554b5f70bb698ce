// 14: quantise a model and compare. The same weights in fewer bits: what they take, and what it costs.
//
// How weights are stored is a type: InBlocks keeps every matrix as small whole numbers with a scale for each 32 of
// them, and products read them as they are. A GGUF file's own blocks are loaded the same way.
#include <cstdio>
#include <string>
#include <vector>

#include <fauna/decode/in_blocks.hpp>
#include <fauna/fauna.hpp>

using namespace fauna;
using Model = Llama<LlamaConfig{
    .layers = 2, .heads = 2, .kv_heads = 1, .head_size = 32, .width = 64, .hidden = 128, .context = 64, .vocab = 27}>;

/// Mean loss over a text of 60 characters.
template <class L> double loss(L& model, std::vector<int> const& ids) {
  constexpr int n = 60;
  std::vector<float> losses(n);
  model.prepare_inference({.sequences = 1, .length = n});
  model.losses(Batch::uniform(1, n, ids.data(), ids.data() + 1), losses.data());
  double sum = 0;
  for (const float l : losses) sum += static_cast<double>(l);
  return sum / n;
}

int main() {
  std::string rhyme;
  for (int i = 0; i < 120; ++i)
    rhyme += "the fox ran over the hill and the hare ran under the hedge but " +
             std::string(i % 3 ? "the owl" : "the cat") + " sat still ";
  const auto text = CharText::from_string("abcdefghijklmnopqrstuvwxyz " + rhyme);
  Trained<Model, Cpu<>> trained(seed{1});
  train(trained, text,
        {.steps = 120, .batch = 8, .context = 48, .adamw = {.lr = 3e-3}, .eval_interval = 0, .print = nullptr});
  const std::vector<int> ids = text.encode(rhyme.substr(0, 61));

  Loaded<Model, Cpu<>> full(trained.weights());
  const double before = loss(full, ids);
  std::printf("%-5s %8zu bytes  loss %.4f\n", "f32", full.weight_bytes(), before);
  bool good = true;
  for (const char* type : {"Q8_0", "Q5_1", "Q5_0", "Q4_1", "Q4_0"}) {
    Loaded<Model, Cpu<>, InBlocks<Cpu<>>> small(trained.weights(), 1, {.quantise = type});
    const double after = loss(small, ids);
    std::printf("%-5s %8zu bytes  loss %.4f\n", type, small.weight_bytes(), after);
    good = good && 3 * small.weight_bytes() < full.weight_bytes() && after < before + 0.3;
  }
  return good ? 0 : 1;
}
