// The program that fine-tunes a model, but for the model itself (adapter_trainer.hpp). It is started with NAME=VALUE
// arguments (settings.hpp), which the launcher has checked.
#include <optional>
#include <utility>

#include <fauna/io/mapped.hpp>
#include <fauna/io/open_tensors.hpp>
#include <fauna/text/packed_examples.hpp>
#include <tools/src/adapter_trainer.hpp>
#include <tools/src/examples.hpp>
#include <tools/src/say.hpp>
#include <tools/src/settings.hpp>
#include <tools/src/sha256.hpp>
#include <tools/src/tokenizers.hpp>
#include <tools/src/training.hpp>

namespace {

/// Tells a base's weights from others, in a run's note.
std::string base_note(fauna::TensorFile const& base) {
  fauna::Checksum sum;
  for (auto const& t : base.tensors()) sum.add(t.data, t.bytes);
  return " base " + sum.text();
}

/// What is trained on, and how it is said.
struct Data {
  std::optional<tool::Examples> examples{};
  std::optional<fauna::PackedExamples> packed{};
  std::optional<tool::Corpus> text{};
  fauna::Split split{};
  int context = 0;
  std::string said{};
};
/// own: the model's context.
Data data_of(settings::FinetuneRun const& s, int own) {
  const fauna::Bpe tokenizer = tool::bpe_of(s.base);
  Data d;
  if (tool::has_records(s.data)) {
    const int usual = s.pack                    ? std::min(own, 2048)
                      : own == fauna::unbounded ? 1 << 20
                                                : own,
              most = s.block_size > 0 ? static_cast<int>(s.block_size) : usual;
    d.examples = tool::Examples::read(s.data, tokenizer, static_cast<int>(s.end), s.special, most, s.base);
    d.split = d.examples->split(s.val);
    d.context = d.examples->length() - 1;
    d.said =
        tool::sentence(": %zu examples of up to %d tokens; %zu cut at %d, %zu left out that had no target before it",
                       d.examples->count(), d.examples->length(), d.examples->cut(), d.examples->length(),
                       d.examples->without_target());
    if (s.pack) {
      d.context = static_cast<int>(std::min(static_cast<std::size_t>(most), d.split.train.size() - 1));
      d.packed.emplace(d.split, d.context + 1);
      d.split = d.packed->split();
      d.said += tool::sentence("; packed into %zu sequences of %d, %zu of them to train on",
                               (d.split.train.size() + (s.val > 0 ? d.split.val.size() : 0)) / d.split.train.example(),
                               d.context + 1, d.split.train.size() / d.split.train.example());
    }
  } else {
    d.text = tool::Corpus::in_pieces(s.data, tokenizer, tool::tokenizer_text(s.base));
    d.split = d.text->split(s.val);
    d.context = s.block_size > 0 ? static_cast<int>(s.block_size) : std::min(256, own);
    d.said = tool::sentence(": %zu + %zu tokens", d.split.train.size(), d.split.val.size());
  }
  return d;
}

int finetune(settings::FinetuneRun const& s, tool::AdapterTrainer& model) {
  const std::string last = s.out + "/last.safetensors", best = s.out + "/best.safetensors";
  const Data data = data_of(s, model.context());
  const std::string digest = sha256(fauna::Mapped(s.data).text());
  const int threads = model.threads();
  std::string note;
  {
    fauna::TensorFile base = fauna::open_tensors(s.base);
    note = base_note(base);
    model.start(std::move(base), s.pissa);
  }
  if (s.resume && !fauna::read_checkpoint_head(last).note.ends_with(note))
    fauna::fail("finetune", last + " is of an adapter to other weights", "those of " + s.base);
  settings::FinetuneRun told = s;
  std::string flags;
  static_cast<settings::Finetune&>(told).each([&](const char* name, auto& value, const char*) {
    flags += std::string(flags.empty() ? "--" : " --") + name + ' ' + settings::text(value);
  });

  const double peak = tool::peak_flops(s.dtype == "bf16", threads);
  fauna::print(stdout, s.data + data.said + "; " + fauna::grouped(model.trained()) + " parameters beside " +
                           fauna::grouped(model.frozen()) + " that are frozen, " + s.dtype +
                           tool::sentence(", %d thread%s on %s, peak %.0f GFLOP/s\n", threads, threads > 1 ? "s" : "",
                                          fauna::name_of(fauna::build_isa), peak * 1e-9));
  const bool evaluates = s.val > 0 && s.eval_interval > 0;
  const auto r = model.train(
      data.split,
      {.steps = s.steps - 1,
       .batch = static_cast<int>(s.batch_size),
       .context = data.context,
       .accumulation = static_cast<int>(s.accumulation),
       .adamw = {.lr = s.lr, .beta1 = s.beta1, .beta2 = s.beta2, .decay = s.weight_decay, .clip = s.grad_clip},
       .schedule = tool::schedule(s.schedule, s.lr, s.min_lr, s.warmup, s.steps),
       .eval_interval = evaluates ? s.eval_interval : 0,
       .eval_batches = static_cast<int>(s.eval_iters),
       .patience = s.patience,
       .log_interval = s.log_interval,
       .out = s.out,
       .overwrite = s.overwrite,
       .resume = s.resume ? last : "",
       .peak_flops = peak,
       .note = flags + note,
       .data = digest,
       .tokenizer = sha256(tool::tokenizer_text(s.base)),
       .files = {{"run.toml", s.recipe}}});
  const double val_loss = evaluates ? model.evaluate(data.split.val, data.context, static_cast<int>(s.batch_size)) : 0;
  if (!r.interrupted) tool::write_summary(s.out, s.dtype, model, r, model.trained(), val_loss, digest);
  // Between the last evaluation and the end it may have become better still.
  const bool last_is_best = evaluates && s.eval_iters == 0 && val_loss < r.best_val,
             of_best = evaluates && (last_is_best || fauna::exists(best));
  if (evaluates && !of_best)
    tool::say("no evaluation was below the base's own: the adapter is the last one, and not better");
  if (of_best && !last_is_best) model.load(best);
  model.save(s.out);
  fauna::print(stdout, tool::adapter_text(r.iterations, r.seconds, of_best, s.out, s.base));
  return 0;
}

int run(int n, char** arguments) {
  settings::FinetuneRun s;
  settings::read(s, n - 1, arguments + 1);
  return tool::with_adapters(
      {.seed = s.seed, .threads = tool::threads_of(s.threads), .lora_plus = s.lora_plus, .base = s.base},
      [&s](tool::AdapterTrainer& model) { return finetune(s, model); });
}

}  // namespace

int main(int n, char** arguments) { return tool::main_of(run, n, arguments); }
