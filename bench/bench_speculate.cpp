// What drafts gain over plain decoding of the same text, in turns.
//   spec_ngram_copy  SmolLM2-135M in bf16 ($FAUNA_SMOLLM2, see tools/smollm2) at tasks that quote their prompt, with
//                    drafts from the text itself: 128 tokens behind each of ten prompts, greedily
//   spec_worst       the same model at prose that repeats nothing, with measured lengths: what drafts cost that are not
//                    worth it
//   spec_overhead    drafts of four that all stay: a step over a pass of five rows alone
//   spec_recurrent   mamba2-130m's and a small RWKV-7's shapes at half their depth, which have learnt a text that
//                    repeats itself: the smaller gain of the two
#include <benchmark/benchmark.h>

#include <algorithm>
#include <cstdlib>
#include <fauna/fauna.hpp>
#include <fauna/text/bpe.hpp>
#include <iterator>
#include <string>
#include <vector>

#include "support/peak.hpp"

using namespace fauna;
using bench::median;

namespace {

const char* const tasks[] = {
    "Copy this text, but write 'river' for 'lake': The old lake lies between two hills at the end of the valley. In "
    "spring "
    "the farmers bring their sheep to its shore, and the children of the village build small boats from bark and "
    "leaves. "
    "Nobody knows how deep the lake is.",
    "List the lines that name a fruit, word for word:\n1. red apple from the north garden\n2. grey stone from the "
    "river bed\n"
    "3. yellow pear from the south garden\n4. old iron nail from the barn\n5. dark cherry from the tree by the gate\n"
    "6. broken window from the mill\n7. ripe plum from the market",
    "Repeat this paragraph and correct the one word that is spelt wrongly: The train leaves the station at seven in "
    "the "
    "morning and arrives in the capital shortly before noon. Passengers who want to change to the coast line have to "
    "wait "
    "for twenty minuts on the second platform.",
    "Repeat the following code and rename the variable total to sum:\ndef mean(values):\n    total = 0\n    for value "
    "in "
    "values:\n        total = total + value\n    return total / len(values)\n",
    "Write this list again in the same order, with a dash before each item:\nsix eggs\ntwo cups of flour\none cup of "
    "sugar\n"
    "half a cup of butter\na pinch of salt\nthe peel of a lemon\na spoon of vanilla",
    "Quote the sentence that says when the museum opens: The museum was founded in a former brewery by the river. It "
    "opens "
    "at ten in the morning from Tuesday to Sunday. Children and students pay half of the price. The garden behind it "
    "is free.",
    "Copy this letter, but make it out to Mrs Brown: Dear Mr Green, thank you for your order of the third of May. We "
    "are "
    "sorry to say that the blue chairs are sold out at present. We expect new ones in two weeks, and will send them to "
    "you "
    "at our own cost. Yours sincerely, the office.",
    "Turn this into upper-case headings followed by the same text: introduction: The bridge is older than the town. "
    "history: "
    "The bridge was built by monks who kept bees. present: The bridge carries walkers alone, since the new road was "
    "built.",
    "Repeat the table and add nothing:\nname, age, city\nAnna, 31, Lisbon\nBela, 44, Porto\nCarla, 27, Lisbon\nDavid, "
    "52, "
    "Braga\nElena, 39, Coimbra\nFilip, 23, Porto",
    "Say this poem again, line by line:\nThe snow came down upon the roof,\nthe snow came down upon the tree,\nthe "
    "snow came "
    "down on horse and hoof,\nthe snow came down on you and me."};

void copy(benchmark::State& state) {
  const char* folder = std::getenv("FAUNA_SMOLLM2");
  if (folder == nullptr) return state.SkipWithError("FAUNA_SMOLLM2 names no folder: run tools/smollm2 once");
  const std::string directory = std::string(folder) + "/bf16";
  Loaded<SmolLm2_135M, Cpu<bf16_products>> model((SafeTensors(directory)));
  const auto bpe = Bpe::from_file(directory + "/tokenizer.json");
  NgramDrafter ngram;
  std::vector<double> ratios;
  long steps = 0, tokens = 0;
  double all = 0, others = 0;
  for (auto _ : state)
    for (const char* task : tasks) {
      const auto ids = bpe.encode("<|im_start|>user\n" + std::string(task) + "<|im_end|>\n<|im_start|>assistant\n");
      const int n = static_cast<int>(ids.size());
      const GenerateOptions how{
          .tokens = 128, .temperature = 0, .top_k = 0, .stop_ids = {bpe.id("<|im_end|>")}, .context = n + 128};
      Reader reader(model, n + 128);
      const auto seconds = [&](int draft, Speculated& out) {
        reader.logits(ids.data(), n - 1, 1, n - 1);  // the prompt, which both read alike
        const double start = seconds_now();
        out = speculate(reader, ngram, ids, {.text = how, .draft = draft});
        return seconds_now() - start;
      };
      Speculated with, without;
      const double before = seconds(0, without), own = seconds(4, with), after = seconds(0, without);
      if (with.ids != without.ids) return state.SkipWithError("the texts differ");
      all += own;
      others += 0.5 * (before + after);
      ratios.push_back(0.5 * (before + after) / own);
      steps += with.counts.steps;
      tokens += with.counts.tokens;
    }
  state.counters["tokens/s"] = static_cast<double>(tokens) / all;
  state.counters["peer tokens/s"] = static_cast<double>(tokens) / others;
  state.counters["ratio"] = others / all;
  state.counters["median of the prompts"] = median(ratios);
  state.counters["tokens a step"] = static_cast<double>(tokens) / static_cast<double>(steps);
  state.SetLabel("plain decoding");
}
BENCHMARK(copy)->Name("spec_ngram_copy")->Iterations(1);

const char* const openings[] = {
    "On the morning of the harvest fair,",      "The last train out of the mountains was late because",
    "My grandmother kept bees, and she said",   "Nobody in the ministry had expected",
    "A letter came from the island. It began:", "When the dam was finished, the engineers"};

/// An n-gram drafter of measured lengths, at prose.
void worst(benchmark::State& state) {
  const char* folder = std::getenv("FAUNA_SMOLLM2");
  if (folder == nullptr) return state.SkipWithError("FAUNA_SMOLLM2 names no folder: run tools/smollm2 once");
  const std::string directory = std::string(folder) + "/bf16";
  Loaded<SmolLm2_135M, Cpu<bf16_products>> model((SafeTensors(directory)));
  const auto bpe = Bpe::from_file(directory + "/tokenizer.json");
  std::vector<double> ratios;
  double all = 0, others = 0;
  long tokens = 0;
  for (auto _ : state)
    for (std::size_t i = 0; i < std::size(openings); ++i) {
      const auto ids = bpe.encode(openings[i]);
      const int n = static_cast<int>(ids.size());
      const GenerateOptions how{
          .tokens = 128, .temperature = 0.9F, .top_k = 0, .seed = i, .context = n + 128};  // drawn: it repeats nothing
      Reader reader(model, n + 128);
      DraftLength length(4);
      for (int rows = 1; rows <= 5; ++rows)  // as the tool measures when it loads a model
        for (int round = 0; round < 2; ++round) {
          reader.logits(ids.data(), 1, 1, 1);
          std::vector<int> some(static_cast<std::size_t>(rows) + 1, ids[0]);
          const double start = seconds_now();
          reader.logits(some.data(), rows + 1, rows, 1);
          length.pass(rows, seconds_now() - start);
        }
      const auto seconds = [&](DraftLength* measured, Speculated& out) {
        reader.logits(ids.data(), n - 1, 1, n - 1);
        NgramDrafter ngram;
        const double start = seconds_now();
        out = speculate(reader, ngram, ids, {.text = how, .draft = measured ? 4 : 0, .length = measured});
        return seconds_now() - start;
      };
      Speculated with, without;
      const double before = seconds(nullptr, without), own = seconds(&length, with), after = seconds(nullptr, without);
      if (with.ids != without.ids) return state.SkipWithError("the texts differ");
      ratios.push_back(0.5 * (before + after) / own);
      all += own;
      others += 0.5 * (before + after);
      tokens += with.counts.tokens;
    }
  state.counters["tokens/s"] = static_cast<double>(tokens) / all;
  state.counters["peer tokens/s"] = static_cast<double>(tokens) / others;
  state.counters["ratio"] = median(ratios);
  state.SetLabel("plain decoding");
}
BENCHMARK(worst)->Name("spec_worst")->Iterations(1);

/// Knows the text.
struct Knows {
  std::vector<int> const* text;
  template <class F> void propose(std::vector<int>& so_far, int most, F&&) {
    for (int i = 0; i < most && so_far.size() < text->size(); ++i) so_far.push_back((*text)[so_far.size()]);
  }
};

void overhead(benchmark::State& state) {
  const char* folder = std::getenv("FAUNA_SMOLLM2");
  if (folder == nullptr) return state.SkipWithError("FAUNA_SMOLLM2 names no folder: run tools/smollm2 once");
  const std::string directory = std::string(folder) + "/bf16";
  Loaded<SmolLm2_135M, Cpu<bf16_products>> model((SafeTensors(directory)));
  const std::vector<int> prompt(16, 100);
  const GenerateOptions how{.tokens = 100, .temperature = 0, .top_k = 0, .context = 128};
  Reader reader(model, 128);
  NgramDrafter none;
  const std::vector<int> text = speculate(reader, none, prompt, {.text = how, .draft = 0}).ids;  // with the prompt
  std::vector<double> costs;
  for (auto _ : state)
    for (int round = 0; round < 9; ++round) {
      const auto passes = [&] {  // of five rows each, from the same place to the same place
        reader.logits(text.data(), 15, 1, 15);
        const double start = seconds_now();
        for (int n = 16; n + 4 <= 116; n += 5) reader.logits(text.data(), n + 4, 5, n);
        return seconds_now() - start;
      };
      const double before = passes();
      reader.logits(text.data(), 15, 1, 15);
      Knows knows{&text};
      const double start = seconds_now();
      const auto all = speculate(reader, knows, prompt, {.text = how, .draft = 4});
      const double own = seconds_now() - start, after = passes();
      if (all.counts.steps != 20) return state.SkipWithError("not every draft stayed");
      costs.push_back(own / (0.5 * (before + after)));
    }
  state.counters["cost"] = median(costs);
}
BENCHMARK(overhead)->Name("spec_overhead")->Iterations(1);

/// How many times as fast a text comes with drafts.
template <class M> double gain(double& tokens_a_step, double& seconds_a_token) {
  using B = Cpu<>;
  std::vector<int> prompt, next;
  for (int i = 0; i < 48; ++i) prompt.push_back(1 + i % 6), next.push_back(1 + (i + 1) % 6);
  Trained<M, B> trained(seed{1});
  trained.prepare_training({.sequences = 1, .length = 48});
  for (int i = 0; i < 30; ++i) {  // until it goes on repeating
    trained.accumulate(Batch::uniform(1, 48, prompt.data(), next.data()));
    trained.update({.lr = 1e-3});
  }
  Loaded<M, B> model(trained.weights());
  const GenerateOptions how{.tokens = 96, .temperature = 0, .top_k = 0, .context = 160};
  Reader reader(model, 160);
  std::vector<double> ratios;
  const auto seconds = [&](int draft, Speculated& out) {
    reader.logits(prompt.data(), 47, 1, 47);
    NgramDrafter ngram;
    const double start = seconds_now();
    out = speculate(reader, ngram, prompt, {.text = how, .draft = draft});
    return seconds_now() - start;
  };
  for (int round = 0; round < 5; ++round) {
    Speculated with, without;
    const double before = seconds(0, without), own = seconds(4, with), after = seconds(0, without);
    if (with.ids != without.ids) return 0;
    ratios.push_back(0.5 * (before + after) / own);
    tokens_a_step = with.counts.tokens_per_step();
    seconds_a_token = own / static_cast<double>(with.counts.tokens);
  }
  return median(ratios);
}
void recurrent(benchmark::State& state) {
  double of_mamba = 0, of_rwkv = 0, mamba = 0, rwkv = 0, a_token[2];
  for (auto _ : state) {
    mamba = gain<Mamba2<Mamba2Config{.layers = 12, .vocab = 8192}>>(of_mamba, a_token[0]);
    rwkv = gain<Rwkv7<Rwkv7Config{.layers = 8, .heads = 8, .width = 512, .hidden = 2048, .vocab = 8192}>>(of_rwkv,
                                                                                                          a_token[1]);
  }
  if (mamba == 0 || rwkv == 0) return state.SkipWithError("the texts differ");
  state.counters["tokens/s"] = 1 / a_token[mamba < rwkv ? 0 : 1];
  state.counters["ratio"] = std::min(mamba, rwkv);
  state.counters["Mamba-2"] = mamba;
  state.counters["RWKV-7"] = rwkv;
  state.counters["Mamba-2's tokens a step"] = of_mamba;
  state.counters["RWKV-7's tokens a step"] = of_rwkv;
  state.SetLabel("plain decoding");
}
BENCHMARK(recurrent)->Name("spec_recurrent")->Iterations(1);

}  // namespace
