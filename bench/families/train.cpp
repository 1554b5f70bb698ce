// One cell of the table of families: trains FAMILY_MODEL on a text, and prints what bench/families/families.py reads.
//   train TEXT LEARNING_RATE SEED TOKENS
// nanoGPT's recipe for its CPU model: 12 sequences of 64 characters, AdamW, a cosine after a warm-up. The curve is
// nanoGPT's too: estimates from 20 batches of the validation part, here of eleven moments of the run.
#include FAMILY_HEADER

#include <cstdio>
#include <cstdlib>
#include <string>

#include <fauna/backend/cpu.hpp>
#include <fauna/ops/cpu.hpp>
#include <fauna/text/chars.hpp>
#include <fauna/train/train.hpp>

using namespace fauna;
using Model = FAMILY_MODEL;
template <class M> constexpr std::size_t at_work() {
  if constexpr (requires { M::active_parameters; }) return M::active_parameters;
  return M::parameters;
}
// Of nanoGPT's 804,096, within 3 %: the families are of one size; of a mixture of experts, what a token goes through.
static_assert(at_work<Model>() * 100 > 804'096 * 97 && at_work<Model>() * 100 < 804'096 * 103);

int main(int, char** argument) {
  const CharText text = CharText::from_file(argument[1]);
  TrainOptions o;
  o.batch = 12;
  o.context = 64;
  o.adamw.lr = std::atof(argument[2]);
  o.steps = std::atol(argument[4]) / (o.batch * o.context) - 1;  // one more update than that is made
  o.eval_interval = o.steps;                                     // estimates have their memory
  o.print = nullptr;
  Trained<Model, Cpu<>> model(seed{static_cast<std::uint64_t>(std::atol(argument[3]))}, default_threads());
  Trainer<Trained<Model, Cpu<>>> trainer(model, Split{text.train(), text.val()}, o);
  const long every = (o.steps + 10) / 10;
  std::string curve;
  double seconds = 0;
  for (long step = 0; !trainer.finished(); ++step) {
    if (step % every == 0) curve += "[" + std::to_string(step) + ", " + std::to_string(trainer.evaluate().val) + "], ";
    const double start = seconds_now();
    trainer.step();
    seconds += seconds_now() - start;
  }
  const double loss = trainer.whole_validation();
  std::printf("{\"loss\": %.6f, \"seconds\": %.1f, \"parameters\": %zu, \"active\": %zu, \"curve\": [%s[%ld, %.6f]]}\n",
              loss, seconds, Model::parameters, at_work<Model>(), curve.c_str(), o.steps + 1, loss);
}
