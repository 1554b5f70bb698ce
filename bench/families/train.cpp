// One cell of the table of families: trains FAMILY_MODEL on a text, and prints what bench/families/families.py reads.
//   train TEXT LEARNING_RATE SEED TOKENS
// nanoGPT's recipe for its CPU model: 12 sequences of 64 characters, AdamW, a cosine after a warm-up.
#include FAMILY_HEADER

#include <cstdio>
#include <cstdlib>

#include <fauna/backend/cpu.hpp>
#include <fauna/ops/cpu.hpp>
#include <fauna/text/chars.hpp>
#include <fauna/train/train.hpp>

using namespace fauna;
using Model = FAMILY_MODEL;
// Of nanoGPT's 804,096, within 3 %: the families are of one size.
static_assert(Model::parameters * 100 > 804'096 * 97 && Model::parameters * 100 < 804'096 * 103);

int main(int, char** argument) {
  const CharText text = CharText::from_file(argument[1]);
  TrainOptions o;
  o.batch = 12;
  o.context = 64;
  o.adamw.lr = std::atof(argument[2]);
  o.steps = std::atol(argument[4]) / (o.batch * o.context) - 1;  // one more update than that is made
  o.eval_interval = 0;
  o.print = nullptr;
  Trained<Model, Cpu<>> model(seed{static_cast<std::uint64_t>(std::atol(argument[3]))}, default_threads());
  Trainer<Trained<Model, Cpu<>>> trainer(model, Split{text.train(), text.val()}, o);
  const double start = seconds_now();
  while (!trainer.finished()) trainer.step();
  const double seconds = seconds_now() - start;
  std::printf("{\"loss\": %.6f, \"seconds\": %.1f, \"parameters\": %zu}\n", trainer.whole_validation(), seconds,
              static_cast<std::size_t>(Model::parameters));
}
