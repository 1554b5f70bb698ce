// A Llama decodes on a GPU: prompts of several lengths at once, with a cache on the device.
//
//   llama            a small one with random weights: what it says is noise, that it runs is the point
#include <cstdio>
#include <exception>

#include <fauna/fauna.cuh>

using Model = fauna::Llama<fauna::LlamaConfig{.layers = 4,
                                              .heads = 8,
                                              .kv_heads = 2,
                                              .head_size = 32,
                                              .width = 256,
                                              .hidden = 688,
                                              .context = 256,
                                              .vocab = 512}>;

int main() {
  try {
    fauna::Trained<Model, fauna::Cuda<>> model(fauna::seed{1});
    const std::vector<std::vector<int>> prompts{{1, 2, 3}, {4}, {5, 6, 7, 8, 9}};
    const auto ids = fauna::generate_batch(model, prompts, {.tokens = 64, .temperature = 0}, [](int, int) {});
    for (auto const& sequence : ids) {
      for (const int id : sequence) std::printf("%d ", id);
      std::printf("\n");
    }
  } catch (std::exception const& e) {
    std::fprintf(stderr, "%s\n", e.what());
    return 1;
  }
}
