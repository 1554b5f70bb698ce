// 17: your own server loop. Texts come and go, and each call of the model gives all that are there a token.
//
// generate_step is what the server of tools/fauna runs on: it reads what each text has not read yet, and hands out the
// logits of those that have now read all. Who gets a slot, how a token is drawn, when a text ends: all of that is the
// loop's. A text does not depend on those beside it.
#include <cstdio>
#include <deque>
#include <vector>

#include <fauna/fauna.hpp>

using namespace fauna;
using Model = Llama<LlamaConfig{
    .layers = 2, .heads = 4, .kv_heads = 2, .head_size = 16, .width = 64, .hidden = 128, .context = 64, .vocab = 50}>;

/// What somebody asks for, and what becomes of it.
struct Request {
  std::vector<int> prompt;
  int tokens;
  std::uint64_t seed;
  std::vector<int> answer{};
};

int main() {
  Trained<Model, Cpu<>> trained(seed{7});
  Loaded<Model, Cpu<>> model(trained.weights());
  constexpr int slots = 2, chunk = 8, context = 64;
  model.prepare_inference({.sequences = slots, .length = chunk, .context = context});
  Cache<Model, Cpu<>> cache(slots, context);
  StepMemory memory;
  Sampler sampler(Model::vocab, {.temperature = 0.8F, .top_k = 20});

  // The third comes while the first two are written, and waits for a slot; its prompt is read in chunks beside the text
  // that is still there.
  std::vector<Request> requests{{{3, 14, 15}, 12, 1}, {{9, 26}, 30, 2}, {std::vector<int>(20, 5), 6, 3}};
  std::deque<Request*> waiting;
  std::vector<Continuation> texts(slots);
  std::vector<Request*> owners(slots, nullptr);
  for (auto& text : texts) text.done = true;

  int steps = 0;
  for (bool more = true; more; ++steps) {
    if (steps == 0) waiting = {&requests[0], &requests[1]};
    if (steps == 5) waiting.push_back(&requests[2]);
    for (std::size_t s = 0; s < slots; ++s) {
      if (!texts[s].done || waiting.empty()) continue;
      Request* r = waiting.front();
      waiting.pop_front();
      cache.clear(static_cast<int>(s));  // the slot forgets who had it
      texts[s] = Continuation{.ids = r->prompt, .prompt = r->prompt.size(), .key = text_key(r->seed, 0)};
      owners[s] = r;
      std::printf("step %d: a prompt of %zu tokens takes slot %zu\n", steps, r->prompt.size(), s);
    }
    more = generate_step(model, cache, texts, chunk, memory, [&](int slot, const float* logits) {
      auto& text = texts[static_cast<std::size_t>(slot)];
      Request& r = *owners[static_cast<std::size_t>(slot)];
      const int id = sampler(logits, text.key, text.ids.size(), text.ids.data(), text.ids.size());
      text.ids.push_back(id);  // who adds none has the text end
      r.answer.push_back(id);
      text.done = static_cast<int>(r.answer.size()) == r.tokens;
      if (text.done) std::printf("step %d: slot %d is free\n", steps, slot);
    });
  }

  // Alone each of them would have been the same.
  bool same = true;
  for (Request const& r : requests) {
    const GenerateOptions alone{.tokens = r.tokens, .temperature = 0.8F, .top_k = 20, .seed = r.seed};
    auto want = generate_tokens(model, r.prompt, alone, [](int) {});
    want.erase(want.begin(), want.begin() + static_cast<std::ptrdiff_t>(r.prompt.size()));
    same = same && want == r.answer;
  }
  std::printf("%d steps for 48 tokens, %s\n", steps, same ? "each text as it is alone" : "but not the texts alone");
  return same && steps < 48 ? 0 : 1;
}
