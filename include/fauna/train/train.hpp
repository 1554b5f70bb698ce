// The training loop, by nanoGPT's rules: before update i the learning rate of i is set; where eval_interval divides i
// (0 included) the model is evaluated; gradients of `accumulation` batches, each loss divided by their number, are
// clipped by global norm and the optimizer takes them; after update number `steps` the run ends, so it has steps + 1
// updates.
//
// Everything random is a function of (seed, update), so a run that is stopped and resumed makes the very same numbers
// as one that is not.
#pragma once
#include <string>
#include <utility>

#include <fauna/io/background_files.hpp>
#include <fauna/models/config_text.hpp>
#include <fauna/train/checkpoint.hpp>
#include <fauna/train/evaluate.hpp>
#include <fauna/train/one_rank.hpp>
#include <fauna/train/profile.hpp>
#include <fauna/train/report.hpp>

namespace fauna::inline v0 {

/// The line of text that describes a model in its checkpoints, where its config has one (to_text); else empty. That of
/// a rewritten model says first what it is: "lora rank=8 ...: llama layers=..."; a part of a model, as ranks have it,
/// and a recomputed one say what the whole one does.
template <class M> std::string config_text() {
  if constexpr (!std::is_same_v<whole_model<M>, M>) return config_text<whole_model<M>>();
  else if constexpr (requires { typename M::rewriting; })
    return M::rewriting::text() + ": " + config_text<typename M::original>();
  else if constexpr (requires { to_text(M::config); }) return to_text(M::config);
  else return {};
}

/// What a description says of a rewrite, before the config: "lora rank=8 ...: "; of a plain model's, nothing.
inline std::string rewrite_text(std::string const& description) {
  const std::size_t end = description.rfind(": ");
  return end == std::string::npos ? "" : description.substr(0, end + 2);
}

/// A run in steps, for loops of one's own; `train` below is the usual one. On many ranks (dist/data_parallel.hpp) all
/// of them make the same calls. Ranks may be a reference, to what goes on after the run.
template <class T, class Ranks = OneRank> class Trainer {
 public:
  struct Step {
    double loss = 0, lr = 0, gradient_norm = 0;  ///< loss: with the side losses
    int without_gradient = -1;  ///< index of a trainable parameter whose gradient was zero throughout, or -1
  };

  /// Checks the options against model and text, and allocates all that a step needs. `alphabet` is kept in
  /// checkpoints. A run that resumes continues its checkpoint's; the model's weights are then replaced.
  Trainer(T& model, Split text, TrainOptions const& o, std::string alphabet = {}, Ranks ranks = {})
      : model_(model),
        text_(text),
        o_(o),
        context_(length_of(o)),
        memory_(o.batch, context_, text.train.packed()),
        layer_skip_(o.layer_skip),
        ranks_(std::forward<Ranks>(ranks)) {
    if (o_.batch < 1 || o_.accumulation < 1)
      fail("train", "batch " + std::to_string(o_.batch) + ", accumulation " + std::to_string(o_.accumulation),
           "at least 1 of each");
    ranks_.divide(o_.accumulation);
    if (ranks_.pieces() > sequences())
      fail("train",
           std::to_string(sequences()) + " sequences an update, of " + std::to_string(ranks_.pieces()) + " pieces",
           "at least a sequence each", "more sequences, or fewer pieces or ranks");
    for (Tokens const& part : {text_.train, text_.val}) {
      if (&part != &text_.train && o_.eval_interval <= 0) continue;
      require_context(part, context_);
      if (part.packed() != text_.train.packed())
        fail("train", "a text of packed documents beside one without", "both parts packed, or neither");
      if (part.vocab() > T::model::vocab)
        fail("train", "a text of " + std::to_string(part.vocab()) + " different tokens",
             "at most the model's " + std::to_string(T::model::vocab));
    }
    const bool new_run = o_.resume.empty(), keeps = !o_.out.empty() && ranks_.writes();
    if (new_run && keeps && !o_.overwrite) checkpoint::require_own_folder(o_.out, nullptr);
    schedule_ = o.schedule ? *o.schedule : usual_schedule();
    if (o.muon) use_muon(*o.muon);
    if (o.muon && o.layer_skip.dropout > 0)
      fail("train", "Muon beside a layer dropout", "one of them",
           "it makes a step of full size also where a layer had no gradient");
    if constexpr (requires { std::remove_cvref_t<Ranks>::by_layer; })
      if (std::remove_cvref_t<Ranks>::by_layer && layer_skip_.on())
        fail("train", "layer dropout or an exit loss on ranks that share a layer at a time", "data parallel or ZeRO-1");
    const std::int64_t largest = (sequences() + ranks_.pieces() - 1) / ranks_.pieces();
    prepare_pass(largest < o_.batch ? static_cast<int>(largest) : o_.batch);
    if (largest < o_.batch && ranks_.evaluates())  // evaluation takes whole batches
      model_.prepare_inference({.sequences = o_.batch, .length = context_});
    model_.weigh_side_losses(o_.side_weights);
    head_.config = config_text<typename T::model>();
    head_.alphabet = std::move(alphabet);
    head_.note = o.note;
    head_.data = o.data;
    head_.tokenizer = o.tokenizer;
    if (o.muon) head_.optimizer = "muon";
    head_.run = identity();
    const Key key{model_.seed_value(), 0};
    head_.progress.batches = key.child(0x62617463);
    head_.progress.estimates = key.child(0x6576616c);
    head_.progress.dropout = key.child(0x64726f70);
    if (!new_run) resume();
    ranks_.start(model_);
    if (!keeps) return;
    const CheckpointHead* resumed = new_run ? nullptr : &head_;
    if (!new_run && !o_.overwrite) checkpoint::require_own_folder(o_.out, resumed);
    make_directories(o_.out);
    checkpoint::take_folder(o_.out, resumed);
    for (auto const& [name, contents] : o_.files) write_file(o_.out + '/' + name, contents);
  }

  Progress const& progress() const { return head_.progress; }
  long long iteration() const { return head_.progress.iteration; }
  bool finished() const { return iteration() > o_.steps; }
  int context() const { return context_; }
  std::size_t tokens_per_step() const { return memory_.rows() * static_cast<std::size_t>(o_.accumulation); }
  Ranks& ranks() { return ranks_; }

  /// Watches the passes of all updates from now on; null: nobody does.
  void watch(Tap<typename T::scalar> const* tap) { tap_ = tap; }

  /// One update. Allocates nothing. Throws, with nothing updated, where loss or gradient is not finite.
  Step step() {
    Progress& p = head_.progress;
    Step s;
    s.lr = schedule_(static_cast<long>(p.iteration));
    s.loss = ranks_.gradients(model_, [this](int piece) { return gradients_of(piece); });
    if (!(s.loss - s.loss == 0)) finish_saves(), stop_not_finite(s);
    AdamWOptions adamw = o_.adamw;
    adamw.lr = s.lr;
    const UpdateReport update = ranks_.update(model_, adamw);
    if (update.not_finite >= 0) finish_saves(), stop_not_finite(s);
    s.gradient_norm = update.gradient_norm;
    if (!layer_skip_.on()) s.without_gradient = update.without_gradient;  // a layer that was passed over has none
    ++p.iteration;
    return s;
  }

  /// The side losses of this rank's last pass, as members of a JSON object.
  std::string side_losses() const {
    std::string members;
    for (auto const& s : model_.side_losses())
      members += (members.empty() ? "\"" : ", \"") + s.name + "\": " + json_number(s.value, 6);
    return members;
  }

  /// The losses of both parts, whole or as an estimate, as the options say. The same at the same iteration.
  SplitLosses evaluate() {
    const auto part = [&](Tokens t, std::uint64_t which) {
      if (o_.eval_batches <= 0) return fauna::evaluate(model_, t, memory_);
      return estimate(model_, t, memory_, head_.progress.estimates.child(which),
                      static_cast<std::uint64_t>(iteration()), o_.eval_batches);
    };
    return ranks_.once(model_, [&] { return SplitLosses{part(text_.train, 0), part(text_.val, 1)}; });
  }
  /// Mean loss over the whole validation part.
  double whole_validation() {
    return ranks_.once(model_, [&] { return fauna::evaluate(model_, text_.val, memory_); });
  }

  void record(LossPoint train_loss) {
    head_.progress.train.push_back(train_loss);
    staged_at_ = -1;
  }
  /// Adds to the validation curve; true for a new lowest loss. An evaluation repeated by a resume counts once.
  bool record(SplitLosses e) {
    Progress& p = head_.progress;
    const auto at = static_cast<double>(p.iteration);
    staged_at_ = -1;
    if (p.val.empty() || p.val.back().step < at) p.val.push_back({at, e.val});
    if (!(e.val < p.best_val)) return false;
    p.best_val = e.val;
    return true;
  }
  /// Evaluations since the lowest validation loss. Of the curve alone, so a resumed run knows it too.
  long evaluations_since_best() const {
    auto const& val = head_.progress.val;
    std::size_t best = 0;
    for (std::size_t i = 1; i < val.size(); ++i)
      if (val[i].loss < val[best].loss) best = i;
    return val.empty() ? 0 : static_cast<long>(val.size() - 1 - best);
  }
  /// Whole, or with options.keep in parts that ranks write. With options.async_checkpoints what it returns from is a
  /// copy in memory, and the file follows, until finish_saves().
  void save(std::string const& path) {
    const bool later = o_.async_checkpoints;
    if constexpr (requires { ranks_.save_parts(model_, path, head_, 1, later); })
      if (o_.keep > 0) return ranks_.save_parts(model_, path, head_, o_.keep, later);
    const auto write = [this, later](std::string const& to, auto const& model, CheckpointHead const& head) {
      if (!later) return save_checkpoint(to, model, head);
      if (!files_.staged() || staged_at_ != iteration()) files_.stage(checkpoint_bytes(to, model, head));
      staged_at_ = iteration();
      files_.write(to);
    };
    if constexpr (requires { ranks_.save(path, model_, head_, write); }) ranks_.save(path, model_, head_, write);
    else
      ranks_.with_state(model_, [&] {
        if (ranks_.writes()) write(path, model_, head_);
      });
  }
  /// Throws where a save beside the updates has failed; of parts, lets the last one count that all ranks have written.
  void look_after_saves() {
    if (!o_.async_checkpoints) return;
    if (files_.ended()) files_.wait();
    if constexpr (requires { ranks_.parts_ended(); })
      if (ranks_.parts_ended()) ranks_.end_parts();
  }
  /// Returns when all that was saved is on the disk.
  void finish_saves() {
    files_.wait();
    if constexpr (requires { ranks_.end_parts(); }) ranks_.end_parts();
  }

 private:
  /// Of an update.
  std::int64_t sequences() const { return std::int64_t{o_.batch} * o_.accumulation; }
  /// Of the update's batch b, among those of the run.
  std::uint64_t batch_number(std::int64_t b) const {
    return static_cast<std::uint64_t>(head_.progress.iteration * o_.accumulation + b);
  }
  /// The targets that count, of sequences [first, first + n) of a batch.
  double targets_of(std::uint64_t number, int first, int n) const {
    double sum = 0;
    for (int s = first; s < first + n; ++s)
      sum +=
          counted_targets(text_.train, draw_offset(text_.train, context_, head_.progress.batches, number, s), context_);
    return sum;
  }
  /// Lays out what a pass of n sequences keeps. The first one is the largest, so that this allocates once.
  void prepare_pass(int n) {
    if (n == prepared_) return;
    model_.prepare_training({.sequences = n, .length = context_});
    prepared_ = n;
  }
  /// Forward and backward of a piece of the update's sequences, batch after batch: its part of the loss, which is the
  /// mean over all targets of the update that count, whichever of its batches has them.
  double gradients_of(int piece) {
    Progress const& p = head_.progress;
    const std::int64_t all = sequences(), last = all * (piece + 1) / ranks_.pieces();
    double loss = 0, targets = 0;
    for (int b = 0; b < o_.accumulation; ++b) targets += targets_of(batch_number(b), 0, o_.batch);
    for (std::int64_t at = all * piece / ranks_.pieces(); at < last;) {
      const int first = static_cast<int>(at % o_.batch), rest = o_.batch - first,
                count = last - at < rest ? static_cast<int>(last - at) : rest;
      const std::uint64_t number = batch_number(at / o_.batch);
      memory_.draw(text_.train, p.batches, number, first, count);
      prepare_pass(count);
      const double weight = targets > 0 ? targets_of(number, first, count) / targets : 0;
      const Key key = p.dropout.child(number);
      layer_skip_.draw(number, key);
      if constexpr (requires { ranks_.last_batch(model_); })
        if (at + count == last && !layer_skip_.on()) ranks_.last_batch(model_);
      loss +=
          weight * layer_skip_.accumulate(model_, memory_.batch(count), weight,
                                          count == o_.batch ? key : key.child(static_cast<std::uint64_t>(first)), tap_);
      at += count;
    }
    return loss;
  }
  static int length_of(TrainOptions const& o) {
    constexpr int most = context_of<typename T::model>;
    if (o.context == 0 && most != unbounded) return most;
    if (o.context < 1 || o.context > most)
      fail("train", "a context of " + std::to_string(o.context),
           most == unbounded ? "at least 1: the model has none of its own"
                             : "at most the model's " + std::to_string(most));
    return o.context;
  }
  void use_muon(MuonOptions const& o) {
    if constexpr (memory<typename T::backend>::remote)
      fail("train", "Muon on a device", "the host", "AdamW runs there");
    else model_.use_muon(o);
  }
  Schedule usual_schedule() const {
    const long warmup = o_.steps / 20 < 100 ? o_.steps / 20 : 100;
    return Cosine{.lr = o_.adamw.lr, .min = o_.adamw.lr / 10, .warmup = warmup, .decay = o_.steps};
  }
  void resume() {
    CheckpointHead found = [this] {
      if constexpr (requires { ranks_.load(o_.resume, model_, load::everything); })
        return ranks_.load(o_.resume, model_, load::everything);
      else return load_checkpoint(o_.resume, model_);
    }();
    if (found.seed != model_.seed_value())
      fail("train", o_.resume + " is of a run with seed " + std::to_string(found.seed),
           "seed " + std::to_string(model_.seed_value()));
    if (rewrite_text(found.config) != rewrite_text(head_.config))
      fail("train", o_.resume + " is of a model '" + found.config + '\'', '\'' + head_.config + '\'',
           "a rewritten model goes on as what it is");
    if (found.optimizer != head_.optimizer)
      fail("train", o_.resume + " is of a run with " + found.optimizer, head_.optimizer,
           "a run goes on with the optimizer that it began with");
    if (found.alphabet != head_.alphabet)
      fail("train", o_.resume + " is of a text with other characters", "the same text", "was it trained on this file?");
    if (found.tokenizer != head_.tokenizer)
      fail("train", o_.resume + " is of a run with another tokenizer", "its own", "it lies beside the checkpoint");
    checkpoint::require_data(o_.resume, found, o_.data);
    head_.run = std::move(found.run);
    head_.seed = found.seed;
    head_.progress = std::move(found.progress);
  }
  /// Of all that decides the numbers of the run.
  std::string identity() const {
    Checksum sum;
    for (std::string const& part :
         {head_.config, head_.alphabet, head_.tokenizer, head_.note, head_.data, std::to_string(model_.seed_value())})
      sum.add(part.data(), part.size());
    return sum.text();
  }
  [[noreturn]] void stop_not_finite(Step const& s) const {
    double squares = 0;
    std::string first;
    for (auto const& p : model_.parameters()) {
      const OnHost<typename T::backend, typename T::scalar> g(model_.gradient(p).data(), p.size());
      double sum = 0;
      for (std::size_t i = 0; i < p.size(); ++i)
        sum += static_cast<double>(g.data()[i]) * static_cast<double>(g.data()[i]);
      if (first.empty() && !(sum - sum == 0)) first = "; the gradient of " + p.name + " is not finite";
      squares += sum;
    }
    // Some NaNs carry a sign, which says nothing.
    const auto number = [](double x) { return x == x ? std::to_string(x) : std::string("nan"); };
    fail("train",
         "step " + std::to_string(iteration()) + " has loss " + number(s.loss) + ", learning rate " +
             std::to_string(s.lr) + ", gradient norm " + number(std::sqrt(squares)) + first,
         "finite numbers",
         std::string(o_.out.empty() ? "the weights are those before this step"
                                    : "the checkpoints in " + o_.out + " are kept") +
             ". Would a lower learning rate or a tighter clip help?");
  }

  T& model_;
  Split text_;
  TrainOptions o_;
  int context_, prepared_ = 0;
  BatchMemory memory_;
  LayerSkip<T> layer_skip_;
  Ranks ranks_;
  Schedule schedule_;
  CheckpointHead head_;
  Tap<typename T::scalar> const* tap_ = nullptr;
  BackgroundFiles files_;
  long long staged_at_ = -1;  ///< the update of the checkpoint that they hold
};

/// Trains to the end, or until SIGINT or SIGTERM. With options.out, that folder receives last.safetensors and
/// best.safetensors, metrics.jsonl, loss.svg and loss.txt. On many ranks one of them writes and prints, and a signal to
/// any stops all.
template <class T, class Ranks = OneRank>
TrainReport train(T& model, Split text, TrainOptions const& o, std::string const& alphabet = {}, Ranks ranks = {}) {
  using M = typename T::model;
  Trainer<T, Ranks> run(model, text, o, alphabet, std::forward<Ranks>(ranks));
  TrainOptions told = o;
  if (!run.ranks().writes()) {
    told.out.clear();
    told.tensorboard.clear();
    told.print = nullptr;
  }
  Report report(told, run.iteration());
  StopSignals signals;
  const std::string last = o.out + "/last.safetensors", best = o.out + "/best.safetensors";
  const double tokens = static_cast<double>(run.tokens_per_step());
  // Each token looks back half the context on average.
  const double step_flops = tokens * training_flops_per_token<whole_model<M>>(0.5 * (run.context() + 1));
  const bool evaluates = o.eval_interval > 0 || o.eval_only;

  TrainReport r;
  std::string without_gradient;
  const long long first = run.iteration();
  double step_seconds = 0, evaluation_seconds = 0;
  long long timed = 0;
  int signal = 0;
  Profile<typename T::scalar> profile;
  // Not the first update: pages are touched there that will be there afterwards.
  const long long profiled_from = first + 1, profiled_to = profiled_from + (told.out.empty() ? 0 : o.profile);
  const double start = seconds_now();
  while (!run.finished() || o.eval_only) {
    const long long at = run.iteration();
    if (evaluates && (o.eval_only || at % o.eval_interval == 0)) {
      const double before = seconds_now();
      r.estimate = run.evaluate();
      evaluation_seconds = seconds_now() - before;
      const bool lowest = run.record(r.estimate);
      report.evaluation(at, r.estimate, lowest, seconds_now() - start);
      if (o.eval_only) break;
      if (!o.out.empty() && at > 0) {
        run.save(last);
        if (lowest || o.always_save) run.save(best);
      }
      if (o.patience > 0 && run.evaluations_since_best() >= o.patience) {
        report.line("stopped after " + std::to_string(at) + " updates: no lower validation loss in " +
                    std::to_string(run.evaluations_since_best()) + " evaluations");
        break;
      }
    }
    const bool profiled = at >= profiled_from && at < profiled_to;
    if (profiled) {
      run.watch(profile.tap());
      profile.begin("update", "run");
    }
    const double before = seconds_now();
    const auto s = run.step();
    step_seconds += seconds_now() - before;
    if (profiled) {
      profile.end();
      run.watch(nullptr);
    }
    ++timed;
    r.loss = s.loss;
    if (s.without_gradient >= 0) {
      std::string const& name = model.parameters()[static_cast<std::size_t>(s.without_gradient)].name;
      if (name != without_gradient)
        report.line("note: " + name + " received no gradient at step " + std::to_string(at));
      without_gradient = name;
    }
    if (o.log_interval > 0 && at % o.log_interval == 0) {
      run.record(LossPoint{static_cast<double>(at), s.loss});
      const double each = step_seconds / static_cast<double>(timed), left = static_cast<double>(o.steps - at);
      report.step(
          StepLine  // named, since nvcc loses the designators of a bare list here
          {.step = at,
           .loss = s.loss,
           .lr = s.lr,
           .gradient_norm = s.gradient_norm,
           .tokens_per_second = tokens / each,
           .milliseconds = 1e3 * each,
           .flops = step_flops / each,
           .left_seconds = left * each +
                           (o.eval_interval > 0 ? left / static_cast<double>(o.eval_interval) : 0) * evaluation_seconds,
           .side = run.side_losses()});
      step_seconds = 0;
      timed = 0;
    }
    run.look_after_saves();
    report.progress(run.iteration(), o.steps + 1, s.loss);
    signal = run.ranks().most(signals.asked());
    if (signal != 0) {
      r.interrupted = true;
      break;
    }
  }
  r.seconds = seconds_now() - start;
  r.iterations = run.iteration();
  r.best_val = run.progress().best_val;
  r.tokens_per_second = r.seconds > 0 ? tokens * static_cast<double>(r.iterations - first) / r.seconds : 0;
  if (!o.out.empty() && !o.eval_only) run.save(last);
  run.finish_saves();
  if (r.interrupted)
    report.line("stopped by signal " + std::to_string(signal) + " after " + std::to_string(r.iterations) + " updates" +
                (o.out.empty() ? "" : ", saved in " + last));
  if (!profile.spans().empty()) report.profile(profile.trace(), profile.table());
  if (!o.eval_only) report.curves(run.progress().train, run.progress().val);
  report.memory(model.planned().total());
  return r;
}

/// The same on a text that knows its parts and perhaps its alphabet: CharText, ByteText.
template <class T, class Text>
requires requires(Text const& t) {
  t.train();
  t.val();
}
TrainReport train(T& model, Text const& text, TrainOptions const& o = {}) {
  std::string alphabet;
  if constexpr (requires { text.alphabet(); }) alphabet = text.alphabet();
  return train(model, Split{text.train(), text.val()}, o, alphabet);
}

}  // namespace fauna::inline v0
