// Checkpoints: what goes in comes out, and nothing else is ever taken for one.
#include <doctest/doctest.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/wait.h>

#include <cstring>

#include "../support/runs.hpp"
#include "../support/temporary.hpp"

using namespace fauna;
using doctest::Contains;
using test::Small;

namespace {

using Split = fauna::Split;

std::vector<float> everything(Small const& m) {
  std::vector<float> all;
  for (Parameter const& p : m.parameters())
    for (auto const& v : {m.value(p), m.moment(p, 0), m.moment(p, 1)})
      all.insert(all.end(), v.data(), v.data() + v.size());
  return all;
}

/// A small model after three updates, saved.
struct Saved {
  TemporaryFolder folder;
  CharText text = CharText::from_string(test::letters(600));
  Small model{seed{5}};
  std::string path = folder / "a.ckpt";
  Saved() {
    Trainer<Small> run(model, Split{text.train(), text.val()}, test::short_run(), text.alphabet());
    for (int i = 0; i < 3; ++i) run.step();
    run.record(SplitLosses{3, 3.5});
    run.save(path);
  }
};

}  // namespace

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
  CHECK(head.tensors.size() == other.parameters().size());
  for (Parameter const& p : other.parameters()) CHECK(p.trainable == (p.name.find("ln_1.bias") == std::string::npos));
  CHECK(s.folder.names().size() == 1);  // no temporary is left
}

TEST_CASE("the head alone says which model and which characters") {
  Saved s;
  const CheckpointHead head = read_checkpoint_head(s.path);
  CHECK(gpt_config(head.config).width == 24);
  CHECK(gpt_config(head.config).dropout == 0.1F);
  CHECK(CharTokenizer(head.alphabet).vocab() == 27);
  CHECK(head.progress.iteration == 3);
  CHECK(head.progress.best_val == 3.5);
  CHECK(head.tensors[0].name == "transformer.wte.weight");
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

TEST_CASE("a file cut at any place is refused") {
  Saved s;
  const std::string whole = read_file(s.path), cut = s.folder / "cut.ckpt";
  for (std::size_t keep : {std::size_t{0}, std::size_t{5}, std::size_t{24}, std::size_t{31}, std::size_t{32},
                           std::size_t{100}, whole.size() / 2, whole.size() - 8, whole.size() - 1}) {
    CAPTURE(keep);
    write_file(cut, whole.substr(0, keep));
    CHECK_THROWS_WITH_AS(read_checkpoint_head(cut), Contains("cut.ckpt has"), error);
  }
  write_file(cut, whole + "x");
  CHECK_THROWS_WITH_AS(read_checkpoint_head(cut), Contains("expected "), error);
}

TEST_CASE("a flipped bit anywhere is found, and the model stays as it was") {
  Saved s;
  const std::string whole = read_file(s.path), bad = s.folder / "bad.ckpt";
  const std::vector<float> before = everything(s.model);
  // Every byte of the first 256, then one in 997: magic, version, size, names, numbers, tensors, checksum.
  std::vector<std::size_t> places{whole.size() - 1, whole.size() - 8};
  for (std::size_t i = 0; i < whole.size(); i += i < 256 ? 1 : 997) places.push_back(i);
  for (std::size_t at : places) {
    CAPTURE(at);
    std::string flipped = whole;
    flipped[at] = static_cast<char>(flipped[at] ^ (1 << (at % 8)));
    write_file(bad, flipped);
    CHECK_THROWS_AS(load_checkpoint(bad, s.model), error);
  }
  CHECK(everything(s.model) == before);
  std::string swapped = whole;  // two words that change places, in one lane of the checksum and in two
  std::swap_ranges(swapped.begin() + 4096, swapped.begin() + 4104, swapped.begin() + 4128);
  write_file(bad, swapped);
  CHECK_THROWS_WITH_AS(read_checkpoint_head(bad), Contains("is damaged"), error);
  swapped = whole;
  std::swap_ranges(swapped.begin() + 4096, swapped.begin() + 4104, swapped.begin() + 4104);
  write_file(bad, swapped);
  CHECK_THROWS_WITH_AS(read_checkpoint_head(bad), Contains("is damaged"), error);
}

TEST_CASE("another model's checkpoint: the first tensor that differs, with both shapes") {
  Saved s;
  Trained<Gpt<GptConfig{.layers = 2, .heads = 2, .width = 24, .context = 16, .vocab = 27}>, Cpu<>> longer;
  CHECK_THROWS_WITH_AS(load_checkpoint(s.path, longer, load::weights),
                       Contains("has transformer.wpe.weight [12, 24], expected transformer.wpe.weight [16, 24]"),
                       error);
  Trained<Gpt<GptConfig{.layers = 2, .heads = 2, .width = 24, .context = 12, .vocab = 27, .bias = false}>, Cpu<>> bare;
  CHECK_THROWS_WITH_AS(load_checkpoint(s.path, bare, load::weights),
                       Contains("ln_1.bias [1, 24], expected transformer.h.0"), error);
  Trained<Gpt<GptConfig{.layers = 1, .heads = 2, .width = 24, .context = 12, .vocab = 27}>, Cpu<>> shallow;
  CHECK_THROWS_WITH_AS(load_checkpoint(s.path, shallow, load::weights), Contains("h.1.ln_1.weight"), error);
}

TEST_CASE("files that are no checkpoints") {
  TemporaryFolder folder;
  CHECK_THROWS_WITH_AS(read_checkpoint_head(folder / "none.ckpt"), Contains("cannot open"), error);
  write_file(folder / "text", std::string(1000, 'x'));
  CHECK_THROWS_WITH_AS(read_checkpoint_head(folder / "text"), Contains("no checkpoint of fauna"), error);
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

TEST_CASE("configs as text") {
  const GptConfig c = test::SmallGpt::config;
  CHECK(to_text(c) ==
        "gpt layers=2 heads=2 width=24 context=12 vocab=27 bias=1 dropout_millionths=100000 activation=gelu");
  CHECK(to_text(gpt_config(to_text(c))) == to_text(c));
  CHECK(cpp_type(c) ==
        "fauna::Gpt<fauna::GptConfig{.layers = 2, .heads = 2, .width = 24, .context = 12, .vocab = 27, "
        ".bias = true, .dropout = 0.1F}>");
  CHECK(
      cpp_type(NanoGptCpu::config) ==
      "fauna::Gpt<fauna::GptConfig{.layers = 4, .heads = 4, .width = 128, .context = 64, .vocab = 65, .bias = false}>");
  for (const char* wrong :
       {"", "gpt", "llama layers=2",
        "gpt layers=2 heads=2 width=24 context=12 vocab=27 bias=1 dropout_millionths=0 activation=tanh",
        "gpt layers=2 heads=2 width=24 context=12 vocab=27 bias=1 dropout_millionths=0 activation=gelu; evil"})
    CHECK_THROWS_AS(gpt_config(wrong), error);
}
