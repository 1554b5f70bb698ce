// spec_ngram_copy: SmolLM2-135M in bf16 ($FAUNA_SMOLLM2, see tools/smollm2) at tasks that quote their prompt, with
// drafts from the text itself, over plain decoding: 128 tokens behind each of ten prompts, greedily, in turns.
#include <benchmark/benchmark.h>

#include <cstdlib>
#include <fauna/fauna.hpp>
#include <fauna/text/bpe.hpp>
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

}  // namespace
