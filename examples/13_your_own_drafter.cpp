// 13: a drafter of your own. It may guess however it likes: the text is the model's, and a good guess makes it come
// sooner.
#include <cstdio>
#include <string>
#include <vector>

#include <fauna/fauna.hpp>

using namespace fauna;
using Model = Gpt<GptConfig{.layers = 2, .heads = 4, .width = 64, .context = 128, .vocab = 27}>;

/// What followed each letter most often in the text so far follows it again.
struct Bigrams {
  std::vector<int> counts = std::vector<int>(27 * 27, 0);
  std::size_t known = 1;

  /// Appends up to `most` tokens to the text. draw(logits) would give a token that belongs there, by logits of one's
  /// own.
  template <class F> void propose(std::vector<int>& text, int most, F&&) {
    for (; known < text.size(); ++known) ++count(text[known - 1], text[known]);
    for (int i = 0; i < most; ++i) {
      int best = 0;
      for (int next = 1; next < 27; ++next)
        if (count(text.back(), next) > count(text.back(), best)) best = next;
      text.push_back(best);
    }
  }
  int& count(int letter, int next) { return counts[static_cast<std::size_t>(27 * letter + next)]; }
};
static_assert(Drafter<Bigrams>);

int main() {
  std::string rhyme;
  for (int i = 0; i < 200; ++i)
    rhyme += i % 3 ? "she sells sea shells on the sea shore " : "the shells she sells are sea shells ";
  const auto text = CharText::from_string("abcdefghijklmnopqrstuvwxyz " + rhyme);
  Trained<Model, Cpu<>> trained(seed{1});
  train(trained, text,
        {.steps = 150, .batch = 8, .context = 48, .adamw = {.lr = 3e-3}, .eval_interval = 0, .print = nullptr});
  Loaded<Model, Cpu<>> model(trained.weights());

  const auto prompt = text.encode("she ");
  const GenerateOptions how{.tokens = 100, .temperature = 0.7F, .seed = 5};
  const auto plain = generate_tokens(model, prompt, how, [](int) {});
  Bigrams mine;
  const auto drafted = speculate(model, mine, prompt, {.text = how, .draft = 3});
  std::printf("%s\n%.2f tokens a step with bigrams, %s\n", text.decode(plain.data(), plain.size()).c_str(),
              drafted.counts.tokens_per_step(), drafted.ids == plain ? "the same text" : "another text");

  // Before somebody else, and under another rule: the ids are then others, by the same law.
  Mixed both{NgramDrafter(6, 3), Bigrams{}};
  const auto mixed = speculate(model, both, prompt, {.text = how, .draft = 3});
  const auto by_law = speculate(model, both, prompt, {.text = how, .draft = 3}, Rejection{});
  std::printf("%.2f where n-grams come first; by rejection %.2f, and a text of its own:\n%s\n",
              mixed.counts.tokens_per_step(), by_law.counts.tokens_per_step(),
              text.decode(by_law.ids.data(), by_law.ids.size()).c_str());
  return drafted.ids == plain && mixed.ids == plain && drafted.counts.tokens_per_step() > 1.2 ? 0 : 1;
}
