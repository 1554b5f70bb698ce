// The training loop: nanoGPT's bounds, the same bits on every way to the same step, and how a run ends.
#include <doctest/doctest.h>
#include <signal.h>
#include <sys/wait.h>

#include <cmath>

#include "../support/runs.hpp"
#include "../support/temporary.hpp"

namespace test_train {

using namespace fauna;
using doctest::Contains;
using test::both, test::count, test::last_of, test::run_bytes, test::short_run, test::Small, test::text;

TEST_CASE("max_iters is the number of the last update; evaluations come before the updates that the interval divides") {
  TemporaryFolder folder;
  Small model(seed{3});
  const TrainReport r = train(model, text(), short_run(folder.path()));
  CHECK(r.iterations == 11);
  CHECK(model.steps() == 11);
  CHECK(!r.interrupted);
  CHECK(r.best_val == doctest::Approx(r.estimate.val));
  const CheckpointHead head = read_checkpoint_head(folder / "last.safetensors");
  CHECK(head.progress.iteration == 11);
  CHECK(head.alphabet == text().alphabet());
  std::vector<double> evaluated, logged;
  for (LossPoint const& p : head.progress.val) evaluated.push_back(p.step);
  for (LossPoint const& p : head.progress.train) logged.push_back(p.step);
  CHECK(evaluated == std::vector<double>{0, 4, 8});
  CHECK(logged == std::vector<double>{0, 3, 6, 9});
  CHECK(head.progress.val[0].loss == doctest::Approx(std::log(27)).epsilon(0.05));  // nothing is known at the start
  CHECK(head.progress.val[2].loss < head.progress.val[0].loss);
  CHECK(read_checkpoint_head(folder / "best.safetensors").progress.iteration == 8);
  const std::string metrics = read_file(folder / "metrics.jsonl");
  CHECK(count(metrics, "\n") == 7);
  CHECK(count(metrics, "\"val_loss\": ") == 3);
  CHECK(count(metrics, "\"gradient_norm\": ") == 4);
  CHECK(read_file(folder / "loss.svg").find("</svg>") != std::string::npos);
  CHECK(read_file(folder / "loss.txt").find("o val") != std::string::npos);
}

TEST_CASE("the same bits with 1, 2, 3 and 8 threads") {
  TemporaryFolder folder;
  const std::string one = run_bytes<Small>(1, folder / "1");
  for (const int threads : {2, 3, 8}) CHECK(run_bytes<Small>(threads, folder / std::to_string(threads)) == one);
  using Small16 = Trained<test::SmallGpt, Cpu<bf16_products>>;
  const std::string half = run_bytes<Small16>(1, folder / "bf16");
  CHECK(half != one);
  CHECK(run_bytes<Small16>(3, folder / "bf16-3") == half);
}

TEST_CASE("a run that was stopped and resumed, twice, ends in the same file as one that was not") {
  TemporaryFolder folder;
  const std::string uninterrupted = run_bytes<Small>(1, folder / "whole"), out = folder / "parts";
  TrainOptions o = short_run(out);
  for (const int stop : {5, 9}) {
    // As a signal would: some updates, then the checkpoint. Curves are kept as the loop keeps them.
    Small model(seed{3});
    Trainer<Small> run(model, both(), o, text().alphabet());
    while (run.iteration() < stop) {
      if (run.iteration() % 4 == 0) run.record(run.evaluate());
      const auto at = static_cast<double>(run.iteration());
      const auto s = run.step();
      if ((run.iteration() - 1) % 3 == 0) run.record(LossPoint{at, s.loss});
    }
    run.save(out + "/last.safetensors");
    o.resume = out + "/last.safetensors";
  }
  Small model(seed{3});
  const TrainReport r = train(model, text(), o);
  CHECK(r.iterations == 11);
  CHECK(last_of(out) == uninterrupted);
}

TEST_CASE("a resume keeps the metrics of the steps it does not make again") {
  TemporaryFolder folder;
  TrainOptions o = short_run(folder.path());
  Small first(seed{3});
  train(first, text(), o);
  const std::string whole = read_file(folder / "metrics.jsonl");
  o.resume = folder / "best.safetensors";  // of step 8
  Small second(seed{3});
  train(second, text(), o);
  const std::string again = read_file(folder / "metrics.jsonl");
  for (const char* line : {"{\"step\": 6, ", "{\"step\": 8, ", "{\"step\": 9, "}) CHECK(count(again, line) == 1);
  CHECK(count(again, "\n") == count(whole, "\n"));
}

TEST_CASE("a folder holds one run: another is refused, or takes it") {
  TemporaryFolder folder;
  TrainOptions o = short_run(folder.path());
  Small first(seed{3});
  train(first, text(), o);
  const std::string last = last_of(folder.path()), best = read_file(folder / "best.safetensors");
  Small second(seed{4});
  CHECK_THROWS_WITH_AS(train(second, text(), o),
                       Contains("last.safetensors is of another run, expected a folder without"), error);
  CHECK(last_of(folder.path()) == last);
  o.eval_interval = 0;
  o.overwrite = true;
  train(second, text(), o);
  CHECK(last_of(folder.path()) != last);
  CHECK_FALSE(exists(folder / "best.safetensors"));
  // Put there again, the first run's best is not taken for the second's.
  write_file(folder / "best.safetensors", best);
  o.overwrite = false;
  o.resume = folder / "last.safetensors";
  o.steps = 12;
  Small resumed(seed{4});
  CHECK_THROWS_WITH_AS(train(resumed, text(), o), Contains("best.safetensors is of another run"), error);
  o.overwrite = true;
  train(resumed, text(), o);
  CHECK_FALSE(exists(folder / "best.safetensors"));
  CHECK(read_checkpoint_head(o.resume).progress.iteration == 13);
}

TEST_CASE("a run's folder has the files that belong to it, and its checkpoints the hash of the tokenizer") {
  TemporaryFolder folder;
  TrainOptions o = short_run(folder.path());
  o.tokenizer = "one";
  o.files = {{"run.toml", "seed = 3\n"}, {"tokenizer.json", std::string("{\0}", 3)}};
  Small model(seed{3});
  train(model, text(), o);
  CHECK(read_file(folder / "run.toml") == "seed = 3\n");
  CHECK(read_file(folder / "tokenizer.json") == std::string("{\0}", 3));
  CHECK(read_checkpoint_head(folder / "last.safetensors").tokenizer == "one");
  o.resume = folder / "last.safetensors";
  o.tokenizer = "two";
  Small other(seed{3});
  CHECK_THROWS_WITH_AS(train(other, text(), o), Contains("is of a run with another tokenizer"), error);
  // Another run that takes the folder leaves nothing of them.
  o = short_run(folder.path());
  o.overwrite = true;
  Small next(seed{4});
  train(next, text(), o);
  for (const char* name : {"run.toml", "tokenizer.json"}) CHECK_FALSE(exists(folder / name));
}

TEST_CASE("a run keeps the hash of its text, and resumes with no other") {
  TemporaryFolder folder;
  TrainOptions o = short_run(folder.path());
  o.data = "one";
  Small model(seed{3});
  train(model, text(), o);
  o.resume = folder / "last.safetensors";
  CHECK(read_checkpoint_head(o.resume).data == "one");
  o.steps = 12;
  o.data = "two";
  Small other(seed{3});
  CHECK_THROWS_WITH_AS(train(other, text(), o), Contains("of a text with the hash one, expected this text's two"),
                       error);
  o.data = "one";
  Small same(seed{3});
  train(same, text(), o);
  CHECK(read_checkpoint_head(o.resume).data == "one");
}

TEST_CASE("a resume is refused for another seed or another text") {
  TemporaryFolder folder;
  TrainOptions o = short_run(folder.path());
  Small model(seed{3});
  train(model, text(), o);
  o.resume = folder / "last.safetensors";
  Small other(seed{4});
  CHECK_THROWS_WITH_AS(train(other, text(), o), Contains("seed 3, expected seed 4"), error);
  std::string upper = test::letters(900);
  for (char& c : upper) c = c == ' ' ? c : static_cast<char>(c - 32);
  Small same(seed{3});
  CHECK_THROWS_WITH_AS(train(same, CharText::from_string(upper), o), Contains("other characters"), error);
}

TEST_CASE("evaluation: the whole split is every window once, whatever the batch") {
  Small model(seed{3});
  model.prepare_inference({.sequences = 7, .length = 12});
  BatchMemory one(1, 12), seven(7, 12);
  const double a = evaluate(model, text().val(), one), b = evaluate(model, text().val(), seven);
  CHECK(a == doctest::Approx(b).epsilon(1e-12));  // a row's loss does not depend on its neighbours
  CHECK(windows(text().val(), 12) == 7);
  TrainOptions o = short_run();
  o.eval_batches = 0;
  Trainer<Small> run(model, both(), o);
  CHECK(run.evaluate().val == doctest::Approx(a).epsilon(1e-12));
  o.eval_batches = 4;
  Trainer<Small> drawn(model, both(), o);
  const SplitLosses x = drawn.evaluate(), y = drawn.evaluate();
  CHECK(x.val == y.val);  // the same at the same iteration
  CHECK(x.val != a);
  drawn.step();
  CHECK(drawn.evaluate().train != x.train);
}

TEST_CASE("eval only evaluates, and changes nothing") {
  TemporaryFolder folder;
  Small model(seed{3});
  TrainOptions o = short_run(folder.path());
  o.eval_only = true;
  const TrainReport r = train(model, text(), o);
  CHECK(r.iterations == 0);
  CHECK(r.estimate.val == doctest::Approx(std::log(27)).epsilon(0.05));
  CHECK(::access((folder / "last.safetensors").c_str(), F_OK) != 0);
}

TEST_CASE("frozen tensors keep their bits, and a resume keeps them frozen") {
  TemporaryFolder folder;
  Small model(seed{3});
  const std::string name = "transformer.wte.weight";
  model.prepare_training({.sequences = 3, .length = 12});
  CHECK(model.freeze(name) == 1);
  CHECK_THROWS_WITH_AS(model.freeze("transformer.nothing*"), Contains("no tensor matches"), error);
  const auto bits = [&](Small const& m) {
    const auto v = m.value(m.parameter(name));
    return std::vector<float>(v.data(), v.data() + v.size());
  };
  const std::vector<float> before = bits(model);
  const Parameter& moved = model.parameter("transformer.wpe.weight");
  const float other = model.value(moved)(0, 0);
  train(model, text(), short_run(folder.path()));
  CHECK(bits(model) == before);
  CHECK(model.value(moved)(0, 0) != other);
  TrainOptions o = short_run();
  o.steps = 20;
  o.resume = folder / "last.safetensors";
  Small again(seed{3});
  train(again, text(), o);
  CHECK(bits(again) == before);
}

TEST_CASE("a loss that is no number stops the run: step, rate, norm; the checkpoint stays") {
  TemporaryFolder folder;
  Small model(seed{3});
  train(model, text(), short_run(folder.path()));
  const std::string kept = last_of(folder.path());
  TrainOptions o = short_run(folder.path());
  o.resume = folder / "last.safetensors";
  o.steps = 100;
  o.schedule = Constant{1e30};
  Small again(seed{3});
  CHECK_THROWS_WITH_AS(train(again, text(), o), Contains("[train] step 1"), error);
  CHECK(read_checkpoint_head(folder / "last.safetensors").progress.iteration >= 11);

  Small poisoned(seed{3});
  poisoned.value(poisoned.parameter("transformer.h.1.mlp.c_fc.weight"))(0, 0) = std::nanf("");
  Trainer<Small> run(poisoned, both(), short_run());
  CHECK_THROWS_WITH_AS(run.step(), Contains("step 0 has loss nan, learning rate 0.0"), error);
  CHECK_THROWS_WITH_AS(run.step(), Contains("gradient norm nan"), error);
  CHECK_THROWS_WITH_AS(run.step(), Contains("is not finite"), error);
  CHECK(run.iteration() == 0);

  Small spoiled(seed{3});
  Trainer<Small> finite(spoiled, both(), short_run());
  spoiled.gradient(spoiled.parameter("transformer.ln_f.weight"))(0, 3) = INFINITY;
  CHECK_THROWS_WITH_AS(finite.step(), Contains("gradient norm inf; the gradient of transformer.ln_f.weight"), error);
  CHECK(finite.iteration() == 0);
}

TEST_CASE("lines say what a run is about; a bar is for terminals only") {
  Small model(seed{3});
  TrainOptions o = short_run();
  o.peak_flops = 1e18;  // whatever the machine, the share is 0 %
  test::Captured captured;
  o.print = captured.file();
  train(model, text(), o);
  const std::string said = captured.text();
  CHECK(count(said, "\nstep ") + 1 == 7);
  CAPTURE(said);
  for (const char* part : {"loss 3.", "  lr 0.0", "  norm ", " tokens/s ", " ms ", " GFLOP/s (0 % of peak)", "  ETA ",
                           "  train 3.", "  val 3.", "(lowest so far)", "memory: planned "}) {
    CAPTURE(part);
    CHECK(said.find(part) != std::string::npos);
  }
  CHECK(said.find('\r') == std::string::npos);
}

TEST_CASE("settings and texts that cannot be trained on are refused before anything runs") {
  Small model(seed{3});
  const auto with = [&](auto change, CharText const& t) {
    TrainOptions o = short_run();
    change(o);
    train(model, t, o);
  };
  const CharText tiny = CharText::from_string(test::letters(60));  // the val part: 6 characters
  CHECK_THROWS_WITH_AS(with([](TrainOptions&) {}, tiny),
                       Contains("the val part has 6 tokens, expected more than the "
                                "context of 12"),
                       error);
  with([](TrainOptions& o) { o.eval_interval = 0; }, tiny);
  const CharText shorter = CharText::from_string("abcdefghij");
  CHECK_THROWS_WITH_AS(with([](TrainOptions& o) { o.eval_interval = 0; }, shorter), Contains("the train part has 9"),
                       error);
  CHECK_THROWS_WITH_AS(with([](TrainOptions& o) { o.context = 13; }, text()), Contains("at most the model's 12"),
                       error);
  CHECK_THROWS_WITH_AS(with([](TrainOptions& o) { o.batch = 0; }, text()), Contains("batch 0"), error);
  CHECK_THROWS_WITH_AS(with([](TrainOptions& o) { o.out = "/proc/nowhere/x"; }, text()), Contains("/proc/nowhere"),
                       error);
  const CharText many = CharText::from_string(test::letters(300) + "ABCD");
  CHECK_THROWS_WITH_AS(with([](TrainOptions&) {}, many),
                       Contains("31 different tokens, expected at most the model's 27"), error);
  CHECK_THROWS_WITH_AS(CharText::from_string(""), Contains("a text of length 0"), error);
  CHECK_THROWS_WITH_AS(CharText::from_string("a"), Contains("a text of length 1"), error);
}

TEST_CASE("SIGTERM saves and ends with 0; the resumed run ends as an uninterrupted one") {
  TemporaryFolder folder;
  TrainOptions o = short_run(folder / "run");
  o.steps = 1000000;
  o.eval_interval = 0;
  o.schedule = Constant{1e-3};
  const pid_t child = ::fork();
  if (child == 0) {
    Small model(seed{3}, 1);  // no thread of a pool survives a fork
    const TrainReport r = train(model, text(), o);
    ::_exit(r.interrupted ? 0 : 1);
  }
  // After its first lines the child is inside the loop.
  for (int i = 0; i < 6000; ++i) {
    ::usleep(10000);
    if (::access((folder / "run/metrics.jsonl").c_str(), F_OK) == 0 &&
        count(read_file(folder / "run/metrics.jsonl"), "\n") > 2)
      break;
  }
  ::kill(child, SIGTERM);
  int status = 0;
  ::waitpid(child, &status, 0);
  REQUIRE(WIFEXITED(status));
  CHECK(WEXITSTATUS(status) == 0);
  const long long stopped = read_checkpoint_head(folder / "run/last.safetensors").progress.iteration;
  CHECK(stopped > 6);

  o.steps = static_cast<long>(stopped) + 3;
  o.resume = folder / "run/last.safetensors";
  Small resumed(seed{3});
  train(resumed, text(), o);
  TrainOptions whole = o;
  whole.out = folder / "whole";
  whole.resume = {};
  Small uninterrupted(seed{3});
  train(uninterrupted, text(), whole);
  CHECK(last_of(folder / "run") == last_of(folder / "whole"));
}

}  // namespace test_train
