// 09: sample with a cache, and treat the cache as the value that it is.
//
// A cache holds what sequences carry from call to call: keys and values here, a recurrent state in other models. It is
// given to the model beside the new rows, so decoding a token reads one row, not the whole text again.
#include <cstdio>
#include <vector>

#include <fauna/fauna.hpp>

using namespace fauna;
using Model = Llama<LlamaConfig{
    .layers = 2, .heads = 4, .kv_heads = 2, .head_size = 16, .width = 64, .hidden = 128, .context = 64, .vocab = 50}>;

/// The likeliest next token, and the logits that say so.
struct Next {
  std::vector<float> logits = std::vector<float>(Model::vocab);
  int best() const {
    int b = 0;
    for (int i = 0; i < Model::vocab; ++i)
      if (logits[static_cast<std::size_t>(i)] > logits[static_cast<std::size_t>(b)]) b = i;
    return b;
  }
};

int main() {
  Trained<Model, Cpu<>> trained(seed{7});
  Loaded<Model, Cpu<>> model(trained.weights());  // the same numbers, packed for products with a few rows
  model.prepare_inference({.sequences = 1, .length = 16, .context = 64});

  const std::vector<int> prompt{3, 14, 15, 9, 26, 5};
  Next next;
  const Matrix<float> logits(next.logits.data(), 1, Model::vocab);
  Cache<Model, Cpu<>> cache(1, 64);  // one sequence of up to 64 rows
  model.logits(cache, Batch::uniform(1, static_cast<int>(prompt.size()), prompt.data()), logit_rows::last, logits);
  std::printf("after %d tokens of prompt the likeliest is %d\n", cache.length(0), next.best());

  const auto mark = cache.mark();          // where the prompt ended
  const Cache<Model, Cpu<>> copy = cache;  // and all of it, for another continuation
  std::vector<int> first, second;
  for (auto* text : {&first, &second}) {
    cache.rewind(mark);  // forgets what was decoded since
    int token = prompt.back() + 1;
    for (int i = 0; i < 10; ++i) {
      model.logits(cache, Batch::uniform(1, 1, &token), logit_rows::last, logits);
      text->push_back(token = next.best());
    }
  }
  std::printf("ten tokens, decoded twice from the mark:");
  for (const int token : first) std::printf(" %d", token);
  std::printf(first == second ? ", the same both times\n" : ", which differ\n");

  // A cache travels as bytes: to a file, or to another process that has the same model.
  const std::string bytes = cache.serialise();
  auto back = Cache<Model, Cpu<>>::deserialise(bytes);
  std::printf("as bytes: %zu, of %d rows\n", bytes.size(), back.length(0));

  // What users call: prompts of any lengths, sampled together, each as if it were alone.
  const std::vector<std::vector<int>> prompts{{1, 2, 3}, {40}, {7, 7, 7, 7, 7}};
  const auto texts = generate_batch(model, prompts, {.tokens = 8, .temperature = 0.8F, .top_k = 10}, [](int, int) {});
  for (auto const& text : texts) {
    for (const int token : text) std::printf(" %d", token);
    std::printf("\n");
  }
  return first == second && back.length(0) == cache.length(0) && copy.length(0) == 6 && texts.size() == 3 ? 0 : 1;
}
