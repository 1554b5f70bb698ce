// 12: speculate. A small model drafts, the large one reads the whole draft at once, and the text is the large one's
// own.
//
// A pass over five rows costs little more than over one: the weights are read once for all of them. So tokens that
// somebody guessed are cheap to verify, and those that the model would have said anyway come for nothing.
#include <cstdio>
#include <string>
#include <vector>

#include <fauna/fauna.hpp>

using namespace fauna;
using Large = Llama<LlamaConfig{
    .layers = 2, .heads = 4, .kv_heads = 2, .head_size = 16, .width = 64, .hidden = 128, .context = 128, .vocab = 27}>;
using Small = Mamba<MambaConfig{.layers = 1, .width = 32, .inner = 64, .states = 8, .rank = 2, .vocab = 27}>;

int main() {
  std::string rhyme;
  for (int i = 0; i < 120; ++i)
    rhyme += "the fox ran over the hill and the hare ran under the hedge but " +
             std::string(i % 3 ? "the owl" : "the cat") + " sat still ";
  const auto text = CharText::from_string("abcdefghijklmnopqrstuvwxyz " + rhyme);
  Trained<Large, Cpu<>> trained(seed{1});
  Trained<Small, Cpu<>> trained_small(seed{2});
  const TrainOptions run{
      .steps = 150, .batch = 8, .context = 48, .adamw = {.lr = 3e-3}, .eval_interval = 0, .print = nullptr};
  train(trained, text, run);
  train(trained_small, text, run);
  Loaded<Large, Cpu<>> large(trained.weights());
  Loaded<Small, Cpu<>> small(trained_small.weights());

  // Any drafter: the text itself, or a model of the same vocabulary, of whatever family.
  const auto prompt = text.encode("the fox ");
  const GenerateOptions how{.tokens = 100, .temperature = 0.7F, .seed = 5};
  const std::vector<int> plain = generate_tokens(large, prompt, how, [](int) {});
  NgramDrafter ngram;
  DraftModel model(small, 128);
  bool same = true;
  const auto show = [&](const char* name, Speculated const& got) {
    same = same && got.ids == plain;
    std::printf("%s: %.2f tokens a step, %s\n", name, got.counts.tokens_per_step(),
                got.ids == plain ? "the same text" : "another text");
  };
  std::printf("%s\n", text.decode(plain.data(), plain.size()).c_str());
  show("drafts from the text", speculate(large, ngram, prompt, {.text = how, .draft = 4}));
  show("drafts from a model", speculate(large, model, prompt, {.text = how, .draft = 4}));

  // What happens inside, by hand: mark, read a draft, keep what the model says too, go back for the rest.
  large.prepare_inference({.sequences = 1, .length = 8, .context = 128});
  Cache<Large, Cpu<>> cache(1, 128);
  Sampler greedy(Large::vocab, {.temperature = 0});
  std::vector<float> logits(8 * Large::vocab);
  const auto read = [&](std::vector<int> const& ids) {
    const int n = static_cast<int>(ids.size());
    large.logits(cache, Batch::uniform(1, n, ids.data()), logit_rows::all,
                 Matrix<float>(logits.data(), n, Large::vocab));
  };
  read({prompt.begin(), prompt.end() - 1});
  const auto mark = cache.mark();
  std::vector<int> block{prompt.back()}, draft = text.encode("ran xx");
  block.insert(block.end(), draft.begin(), draft.end());
  read(block);
  std::size_t kept = 0;
  while (kept < draft.size() && greedy(logits.data() + kept * Large::vocab, {}, 0) == draft[kept]) ++kept;
  cache.rewind(mark);
  read({block.begin(), block.begin() + 1 + static_cast<std::ptrdiff_t>(kept)});  // a recurrent state would need this
  const int next = greedy(logits.data() + kept * Large::vocab, {}, 0);
  std::printf("of the draft 'ran xx' %zu letters stay; then the model says '%s'\n", kept,
              text.decode(&next, 1).c_str());
  return same && kept < draft.size() && cache.length(0) == static_cast<int>(prompt.size() + kept) ? 0 : 1;
}
