// Checkpoints: what goes in comes out, and nothing else is ever taken for one.
#include <doctest/doctest.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <fauna/ops/ref.hpp>

#include <cmath>
#include <cstring>
#include <limits>

#include "../support/sizes.hpp"
#include "saved.hpp"

namespace test_checkpoint {

using namespace fauna;
using doctest::Contains;
using test::Saved, test::Small;

namespace {

std::vector<float> everything(Small const& m) {
  std::vector<float> all;
  for (Parameter const& p : m.parameters())
    for (auto const& v : {m.value(p), m.moment(p, 0), m.moment(p, 1)})
      all.insert(all.end(), v.data(), v.data() + v.size());
  return all;
}

/// Two files of a run's first update, of which it makes one more before they are looked at.
std::pair<std::string, std::string> saved_by(bool later) {
  TemporaryFolder folder;
  const CharText text = CharText::from_string(test::letters(600));
  TrainOptions o = test::short_run();
  o.async_checkpoints = later;
  Small model{seed{5}};
  Trainer<Small> run(model, fauna::Split{text.train(), text.val()}, o, text.alphabet());
  run.step();
  run.save(folder / "a");
  run.save(folder / "b");
  run.step();
  run.finish_saves();
  return {read_file(folder / "a"), read_file(folder / "b")};
}

}  // namespace

TEST_CASE("what is written beside the updates is what would have been before them; its error comes after the save") {
  const auto now = saved_by(false), later = saved_by(true);
  CHECK(later.first == now.first);
  CHECK(later.second == now.first);

  Saved s;
  TrainOptions o = test::short_run();
  o.async_checkpoints = true;
  Trainer<Small> run(s.model, fauna::Split{s.text.train(), s.text.val()}, o, s.text.alphabet());
  const std::string nowhere = s.folder / "no/last.safetensors";
  run.save(nowhere);  // which is no place
  CHECK_THROWS_WITH_AS(run.finish_saves(), Contains(("cannot create " + nowhere).c_str()), error);
  run.save(nowhere);
  CHECK_THROWS_WITH_AS(
      for (;;) {
        run.step();
        run.look_after_saves();
      },
      Contains("no/last.safetensors"), error);
}

TEST_CASE("everything comes back: weights, moments, progress, names") {
  Saved s;
  s.model.freeze("*.ln_1.bias");
  save_checkpoint(s.path, s.model, {.config = "c", .alphabet = "äb", .note = "--n 1", .progress = {.iteration = 7}});
  Small other{seed{6}};
  other.prepare_training({.sequences = 3, .length = 12});
  const CheckpointHead head = load_checkpoint(s.path, other);
  CHECK(everything(other) == everything(s.model));
  CHECK(other.steps() == 3);
  CHECK(head.config == "c");
  CHECK(head.alphabet == "äb");
  CHECK(head.note == "--n 1");
  CHECK(head.seed == 5);
  CHECK(head.progress.iteration == 7);
  CHECK(head.frozen == "transformer.h.0.ln_1.bias\ntransformer.h.1.ln_1.bias\n");
  for (Parameter const& p : other.parameters()) CHECK(p.trainable == (p.name.find("ln_1.bias") == std::string::npos));
  CHECK(s.folder.names().size() == 1);  // no temporary is left
}

TEST_CASE("the head alone says which model and which characters") {
  Saved s;
  const CheckpointHead head = read_checkpoint_head(s.path);
  CHECK(config_from<GptConfig>(head.config).width == 24);
  CHECK(config_from<GptConfig>(head.config).dropout == 0.1F);
  CHECK(CharTokenizer(head.alphabet).vocab() == 27);
  CHECK(head.progress.iteration == 3);
  CHECK(head.progress.best_val == 3.5);
}

TEST_CASE("weights alone need no memory for training, and the whole does") {
  Saved s;
  Small other{seed{6}};
  CHECK_THROWS_WITH_AS(load_checkpoint(s.path, other), Contains("prepare_training"), error);
  load_checkpoint(s.path, other, load::weights);
  for (Parameter const& p : s.model.parameters())
    CHECK(std::memcmp(other.value(p).data(), s.model.value(p).data(), p.size() * sizeof(float)) == 0);
  save_checkpoint(s.path, other, {});
  other.prepare_training({.sequences = 1, .length = 12});
  CHECK_THROWS_WITH_AS(load_checkpoint(s.path, other), Contains("no optimizer state"), error);
}

TEST_CASE("texts and numbers come back as they were") {
  Saved s;
  constexpr double least = std::numeric_limits<double>::denorm_min();
  for (const double best : {0.1, -1.0 / 3, least, 1e308, std::numeric_limits<double>::infinity()}) {
    CheckpointHead head{.alphabet = std::string("\0\n\"\\\x1f\x7f ", 7) + "\u00e9\u4e2d\U0001f98a", .note = "a\tb"};
    head.progress.best_val = best;
    head.progress.iteration = std::numeric_limits<long long>::max();
    head.progress.dropout = {~std::uint64_t{0}, 1};
    head.progress.train = {{0, best}, {std::nextafter(1.0, 2.0), std::nan("")}};
    save_checkpoint(s.path, s.model, head);
    const CheckpointHead read = read_checkpoint_head(s.path);
    CHECK(read.alphabet == head.alphabet);
    CHECK(read.note == head.note);
    CHECK(read.progress.best_val == best);
    CHECK(read.progress.iteration == head.progress.iteration);
    CHECK(read.progress.dropout.seed == ~std::uint64_t{0});
    CHECK(read.progress.dropout.stream == 1);
    REQUIRE(read.progress.train.size() == 2);
    CHECK(std::memcmp(read.progress.train.data(), head.progress.train.data(), 2 * sizeof(LossPoint)) == 0);
    CHECK(read.progress.val.empty());
  }
}

TEST_CASE("the file is a model.safetensors: weights and moments lie as in the reference checkpoint") {
  Saved s;
  const SafeTensors file(s.path);
  CHECK(file.tensors().size() == 3 * s.model.parameters().size() + 2);
  const std::string name = "transformer.h.1.attn.c_attn.weight";  // [72, 24]; a Conv1D there: [24, 72]
  Parameter const& p = s.model.parameter(name);
  const std::pair<std::string, Matrix<float>> stored[] = {{name, s.model.value(p)},
                                                          {"optimizer.exp_avg." + name, s.model.moment(p, 0)},
                                                          {"optimizer.exp_avg_sq." + name, s.model.moment(p, 1)}};
  for (auto const& kept : stored) {
    CAPTURE(kept.first);
    const SafeTensor* t = file.find(kept.first);
    REQUIRE(t != nullptr);
    CHECK(t->text() == "F32 [24, 72]");
    std::vector<float> x(t->elements());
    read_floats(*t, 0, x.size(), x.data());
    bool same = true;
    for (int r = 0; r < 72; ++r)
      for (int c = 0; c < 24; ++c) same = same && x[static_cast<std::size_t>(c * 72 + r)] == kept.second(r, c);
    CHECK(same);
  }
  CHECK(file.find("loss.val")->text() == "F64 [1, 2]");

  Small other{seed{6}};
  const LoadReport report = load_weights<test::SmallGpt>(Cpu<>{}, other.weights(), file);
  CHECK(report.unexpected.empty());
  for (Parameter const& q : s.model.parameters())
    CHECK(std::memcmp(other.value(q).data(), s.model.value(q).data(), q.size() * sizeof(float)) == 0);
}

TEST_CASE("weights of the model's that are no checkpoint: enough to start from, not to go on") {
  Saved s;
  const std::string plain = s.folder / "plain.safetensors";
  save_weights<test::SmallGpt>(plain, s.model.weights());
  CHECK(!is_checkpoint(plain));
  CHECK(is_checkpoint(s.path));
  Small other{seed{6}};
  CHECK(load_checkpoint(plain, other, load::weights).config.empty());
  for (Parameter const& p : s.model.parameters())
    CHECK(std::memcmp(other.value(p).data(), s.model.value(p).data(), p.size() * sizeof(float)) == 0);
  CHECK_THROWS_WITH_AS(load_checkpoint(plain, other), Contains("no checkpoint of fauna"), error);
  CHECK_THROWS_WITH_AS(read_checkpoint_head(plain), Contains("no checkpoint of fauna"), error);
}

TEST_CASE("f64 comes back bit for bit, and f32 does not go on from it") {
  using Exact = Trained<test::SmallGpt, Ref<double>>;
  TemporaryFolder folder;
  const std::string path = folder / "exact.safetensors";
  Exact model{seed{5}}, other{seed{6}};
  for (Exact* m : {&model, &other}) m->prepare_training({.sequences = 1, .length = 4});
  for (Parameter const& p : model.parameters())  // more digits than a float has
    for (auto const& v : {model.value(p), model.moment(p, 0), model.moment(p, 1)})
      for (std::size_t i = 0; i < v.size(); ++i) v.data()[i] = std::sqrt(static_cast<double>(i + 2));
  save_checkpoint(path, model, {});
  load_checkpoint(path, other);
  for (Parameter const& p : model.parameters())
    for (int which = -1; which < 2; ++which) {
      const auto want = which < 0 ? model.value(p) : model.moment(p, which);
      const auto got = which < 0 ? other.value(p) : other.moment(p, which);
      CHECK(std::memcmp(got.data(), want.data(), p.size() * sizeof(double)) == 0);
    }
  Small single{seed{6}};
  single.prepare_training({.sequences = 1, .length = 4});
  CHECK_THROWS_WITH_AS(load_checkpoint(path, single),
                       Contains("has transformer.wte.weight F64 [27, 24], expected transformer.wte.weight F32"), error);
  load_checkpoint(path, single, load::weights);
  CHECK(single.weights().embed.weight(0, 1) == std::sqrt(3.0F));
}

TEST_CASE("a file cut at any place is refused") {
  Saved s;
  const std::string whole = read_file(s.path), cut = s.folder / "cut.safetensors";
  for (std::size_t keep : {std::size_t{0}, std::size_t{5}, std::size_t{8}, std::size_t{24}, std::size_t{57},
                           std::size_t{100}, whole.size() / 2, whole.size() - 8, whole.size() - 1}) {
    CAPTURE(keep);
    write_file(cut, whole.substr(0, keep));
    CHECK_THROWS_WITH_AS(read_checkpoint_head(cut), Contains("cut.safetensors "), error);
    CHECK_THROWS_WITH_AS(read_checkpoint_head(cut), Contains("was it copied"), error);
  }
  write_file(cut, whole + "x");
  CHECK_THROWS_WITH_AS(read_checkpoint_head(cut), Contains("expected no byte that belongs to no tensor"), error);
}

TEST_CASE("a flipped bit anywhere is found, and the model stays as it was") {
  Saved s;
  save_checkpoint(s.path, s.model, {.config = "c", .alphabet = "\n !", .progress = {.iteration = 3}});
  const std::string whole = read_file(s.path), bad = s.folder / "bad.safetensors";
  const std::vector<float> before = everything(s.model);
  // Every byte of the metadata and more, then one in 97: names, shapes, numbers, the checksum itself.
  std::vector<std::size_t> places{whole.size() - 1, whole.size() - 8};
  const std::size_t metadata = whole.find("\"format\":\"pt\"") + 600;
  const std::size_t sparse = test::size(1U, 9U);
  for (std::size_t i = 0; i < whole.size(); i += sparse * (i < metadata ? 1 : 97)) places.push_back(i);
  for (std::size_t at : places) {
    CAPTURE(at);
    std::string flipped = whole;
    flipped[at] = static_cast<char>(flipped[at] ^ (1 << (at % 8)));
    write_file(bad, flipped);
    CHECK_THROWS_AS(load_checkpoint(bad, s.model), error);
  }
  CHECK(everything(s.model) == before);
  const auto damaged = [&](std::string const& changed) {
    REQUIRE(changed != whole);
    write_file(bad, changed);
    CHECK_THROWS_WITH_AS(read_checkpoint_head(bad), Contains("is damaged"), error);
    CHECK_THROWS_WITH_AS(load_checkpoint(bad, s.model, load::weights), Contains("is damaged"), error);
  };
  std::string changed = whole;  // two words that change places, in one lane of the checksum and in two
  const auto word = whole.end() - 4096 - static_cast<std::ptrdiff_t>(whole.size() % 8);
  const auto at = changed.begin() + (word - whole.begin());
  std::swap_ranges(at, at + 8, at + 32);
  damaged(changed);
  changed = whole;
  std::swap_ranges(changed.begin() + (word - whole.begin()), changed.begin() + (word - whole.begin()) + 8,
                   changed.begin() + (word - whole.begin()) + 8);
  damaged(changed);
  const auto replaced = [&](std::string const& from, std::string const& to) {
    const std::size_t place = whole.find(from);
    REQUIRE(place != std::string::npos);
    return std::string(whole).replace(place, from.size(), to);
  };
  damaged(replaced("\"fauna.iteration\":\"3\"", "\"fauna.iteration\":\"4\""));
  damaged(replaced("optimizer.exp_avg.transformer.h.0.ln_1", "optimizer.exp_avg.transformer.h.0.ln_9"));
  damaged(replaced("\\u000a", "\\u000A"));  // the same alphabet, in other bytes
  write_file(bad, replaced("\"fauna.version\":\"2\"", "\"fauna.version\":\"3\""));
  CHECK_THROWS_WITH_AS(read_checkpoint_head(bad), Contains("has version 3, expected version 2"), error);
}

TEST_CASE("files that are no checkpoints") {
  TemporaryFolder folder;
  CHECK_THROWS_WITH_AS(read_checkpoint_head(folder / "none.safetensors"), Contains("cannot open"), error);
  write_file(folder / "text", std::string(1000, 'x'));
  CHECK_THROWS_WITH_AS(read_checkpoint_head(folder / "text"), Contains("no checkpoint of fauna"), error);
  Small model{seed{6}};
  CHECK_THROWS_WITH_AS(load_checkpoint(folder / "text", model, load::weights), Contains("text says that its header"),
                       error);
}

TEST_CASE("a full disk: an error, and the checkpoint before it stays") {
  Saved s;
  const std::string before = read_file(s.path);
  const pid_t child = ::fork();
  if (child == 0) {  // the limit is the child's alone
    ::signal(SIGXFSZ, SIG_IGN);
    const rlimit limit{4096, 4096};
    ::setrlimit(RLIMIT_FSIZE, &limit);
    int result = 1;
    try {
      save_checkpoint(s.path, s.model, {});
    } catch (error const& e) {
      result = std::strstr(e.what(), "File too large") != nullptr ? 0 : 2;
    }
    ::_exit(result);
  }
  int status = 0;
  ::waitpid(child, &status, 0);
  CHECK(WIFEXITED(status));
  CHECK(WEXITSTATUS(status) == 0);
  CHECK(read_file(s.path) == before);
  CHECK(s.folder.names().size() == 1);
}

}  // namespace test_checkpoint
