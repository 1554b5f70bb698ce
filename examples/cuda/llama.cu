// A Llama decodes on a GPU, with a cache on the device.
//
//   llama                          a small one with random weights, prompts of several lengths at once: what it says is
//                                  noise, that it runs is the point
//   llama DIR [FLAG...] ID...      SmolLM2-135M from the safetensors of a folder (tools/smollm2 makes one), greedily
//       --f32                      weights in f32 and f32 products; in bf16 otherwise
//       --tokens N                 so many (64)
//
// What is read and written are ids: texts are for tools/fauna, and for programs of one's own (fauna/text/bpe.hpp).
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <exception>

#include <fauna/fauna.cuh>
#include <fauna/io/clock.hpp>

namespace {

using Small = fauna::Llama<fauna::LlamaConfig{.layers = 4,
                                              .heads = 8,
                                              .kv_heads = 2,
                                              .head_size = 32,
                                              .width = 256,
                                              .hidden = 688,
                                              .context = 256,
                                              .vocab = 512}>;

void print(std::vector<int> const& ids) {
  for (const int id : ids) std::printf("%d ", id);
  std::printf("\n");
}

void small() {
  fauna::Trained<Small, fauna::Cuda<>> model(fauna::seed{1});
  const std::vector<std::vector<int>> prompts{{1, 2, 3}, {4}, {5, 6, 7, 8, 9}};
  for (auto const& ids : fauna::generate_batch(model, prompts, {.tokens = 64, .temperature = 0}, [](int, int) {}))
    print(ids);
}

template <class Products> void smollm2(std::string const& folder, std::vector<int> const& prompt, int tokens) {
  fauna::Loaded<fauna::SmolLm2_135M, fauna::Cuda<Products>> model((fauna::SafeTensors(folder)));
  const int context = static_cast<int>(prompt.size()) + tokens;
  const double start = fauna::seconds_now();
  print(fauna::generate_tokens(model, prompt, {.tokens = tokens, .temperature = 0, .context = context}, [](int) {}));
  std::fprintf(stderr, "%.0f tokens/s\n", tokens / (fauna::seconds_now() - start));
}

}  // namespace

int main(int count, char** arguments) {
  try {
    if (count < 2) return small(), 0;
    bool f32 = false;
    int tokens = 64;
    std::vector<int> prompt;
    for (int i = 2; i < count; ++i) {
      if (std::strcmp(arguments[i], "--f32") == 0) f32 = true;
      else if (std::strcmp(arguments[i], "--tokens") == 0 && i + 1 < count) tokens = std::atoi(arguments[++i]);
      else if (char* end = nullptr; prompt.push_back(static_cast<int>(std::strtol(arguments[i], &end, 10))), *end != 0)
        fauna::fail("llama", std::string("the argument ") + arguments[i], "--f32, --tokens N or an id");
    }
    if (f32) smollm2<fauna::f32_products>(arguments[1], prompt, tokens);
    else smollm2<fauna::bf16_products>(arguments[1], prompt, tokens);
  } catch (std::exception const& e) {
    std::fprintf(stderr, "%s\n", e.what());
    return 1;
  }
}
