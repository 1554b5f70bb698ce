// A config, written as the reference library's config.json and read back, through the families that registered.
#include <doctest/doctest.h>

#include <fauna/models/gpt.hpp>
#include <fauna/models/gpt_neox.hpp>
#include <fauna/models/llama.hpp>
#include <fauna/models/mixtral.hpp>
#include <fauna/models/olmoe.hpp>
#include <fauna/models/rwkv7.hpp>
#include <tools/src/directory.hpp>

#include "../support/pth.hpp"
#include "../support/source_dir.hpp"
#include "../support/temporary.hpp"

namespace {

using namespace fauna;

/// The config's line, after the way through a file.
template <class C> std::string through_file(C const& c) {
  TemporaryFolder folder;
  write_file(folder / "config.json", tool::checkpoint_model("a checkpoint", to_text(c))->config_json().dump(2));
  return tool::read_config(folder.path()).model->line();
}

/// A family that this file adds, as a file in tools/src/families/ would: without a context, dropout and flags of its
/// own.
struct Toy {
  struct config {
    int vocab = 5, wheels = 2;
    static constexpr ConfigNames names{"toyline", "toys::Toy", "toys::Config", "toys/toy.hpp", "table", "head"};
    template <class C, class F> static constexpr void each(C& c, F&& f) { f("vocab", c.vocab), f("wheels", c.wheels); }
  };
  static constexpr const char *model_type = "toy", *causal = "ToyForCausalLM", *headless = "ToyModel";
  static std::vector<std::pair<const char*, config>> presets() { return {{"toy-3", {.wheels = 3}}}; }
  static config read(tool::Config& c) { return {.vocab = c.whole("vocab_size"), .wheels = c.whole("wheels")}; }
  static tool::Config::Json write(config const& c) {
    return {
        {"model_type", "toy"}, {"architectures", {"ToyForCausalLM"}}, {"vocab_size", c.vocab}, {"wheels", c.wheels}};
  }
};
const tool::Registered<Toy> registered;

}  // namespace

TEST_CASE("a family is a struct and a line that registers it") {
  const auto toy = tool::preset("toy-3");
  REQUIRE(toy != nullptr);
  CHECK(toy->line() == "toyline vocab=5 wheels=3");
  CHECK(toy->described().type == "toys::Toy<toys::Config{.vocab = 5, .wheels = 3}>");
  CHECK(toy->described().includes == std::vector<std::string>{"toys/toy.hpp"});
  CHECK(toy->context() == unbounded);
  CHECK_FALSE(toy->structure().has_value());
  CHECK(through_file(Toy::config{.vocab = 7, .wheels = 4}) == "toyline vocab=7 wheels=4");
  CHECK(toy->tied());
  CHECK_FALSE(toy->untie());
  toy->set_vocab(9);
  CHECK(toy->line() == "toyline vocab=9 wheels=3");
  CHECK(tool::preset("toy-3")->line() == "toyline vocab=5 wheels=3");  // a preset stays as it is
  CHECK(tool::preset_names().find("toy-3") != std::string::npos);
  CHECK(tool::preset("toy-4") == nullptr);
  CHECK_THROWS_WITH_AS(tool::checkpoint_model("a.safetensors", "bicycle wheels=2"),
                       doctest::Contains("begins with one of gpt, gpt_neox, llama, "), error);
}

TEST_CASE("a second family of one name is an error") {
  CHECK_THROWS_WITH_AS(tool::Registered<Toy>{}, doctest::Contains("toy twice"), error);
}

TEST_CASE("every member of a config comes back from its config.json") {
  GptConfig gpt{.layers = 2, .heads = 3, .width = 24, .context = 32, .vocab = 29};
  gpt.dropout = 0.1F;
  for (const activation act : {activation::gelu, activation::gelu_tanh}) {
    gpt.act = act;
    CHECK(through_file(gpt) == to_text(gpt));
  }

  LlamaConfig llama{.layers = 2, .heads = 4, .kv_heads = 2, .head_size = 6, .width = 26, .hidden = 40, .context = 32};
  CHECK(through_file(llama) == to_text(llama));
  llama.vocab = 29;
  llama.base = 500000.5;
  llama.tied = true;
  llama.epsilon = 1e-6F;
  llama.scaling = {.kind = rope_scaling::linear, .factor = 2.5};
  llama.attention_bias = true;
  CHECK(through_file(llama) == to_text(llama));
  llama.scaling = {.kind = rope_scaling::llama3, .factor = 8, .low = 1.5, .high = 3, .original = 16};
  llama.attention_bias = false;
  llama.mlp_bias = true;
  for (const activation act : {activation::silu, activation::relu, activation::relu_squared, activation::gelu}) {
    llama.act = act;
    CHECK(through_file(llama) == to_text(llama));
  }

  CHECK(through_file(MixtralShakespeare::config) == to_text(MixtralShakespeare::config));
  OlmoeConfig olmoe = OlmoeShakespeare::config;
  olmoe.renormalised = true;
  olmoe.z = 0.25F;
  CHECK(through_file(olmoe) == to_text(olmoe));
  Rwkv7Config rwkv{.layers = 3, .heads = 2, .width = 32, .hidden = 120, .decay = 8, .learning = 6};
  rwkv.value = 4;
  rwkv.gate = 10;
  rwkv.vocab = 40;
  CHECK(through_file(rwkv) == to_text(rwkv));
  rwkv.heads = 3;
  CHECK_THROWS_WITH_AS(through_file(rwkv), doctest::Contains("a number that divides the width of 32"), error);
  rwkv.heads = 2;
  rwkv.layers = 1;
  CHECK_THROWS_WITH_AS(through_file(rwkv), doctest::Contains("num_hidden_layers = 1, expected 2 or more"), error);

  GptNeoXConfig neox{.layers = 2, .heads = 3, .hidden = 40, .context = 32, .vocab = 29, .epsilon = 1e-6F};
  neox.parallel = false;
  neox.tied = true;
  neox.act = activation::gelu_tanh;
  neox.base = 77;
  for (int size = 2; size <= 160; size += 2)
    for (neox.rotary = 2; neox.rotary <= size; neox.rotary += 2) {  // in the file it is a part of the head
      neox.width = neox.heads * size;
      CHECK(through_file(neox) == to_text(neox));
    }
  neox.rotary = 162;
  CHECK_THROWS_WITH_AS(through_file(neox), doctest::Contains("no more rotary columns"), error);
  neox.rotary = 2;
  neox.width = 2;  // of three heads
  CHECK_THROWS_WITH_AS(through_file(neox), doctest::Contains("heads that divide the width"), error);
}

TEST_CASE("weights without a config.json say what they are of") {
  const auto model = tool::model_of_weights(test::source_path("tests/golden/rwkv7.pth"));
  CHECK(model->line() == "rwkv7 layers=3 heads=2 width=32 hidden=128 decay=8 learning=6 value=4 gate=10 vocab=40");
  CHECK_FALSE(model->tied());
  CHECK_FALSE(model->untie());
  CHECK(tool::weights_alone(test::source_path("tests/golden/rwkv7.pth")));
  CHECK_FALSE(tool::weights_alone(test::source_path("tests/golden/rwkv7.safetensors")));
  CHECK_FALSE(tool::weights_alone(test::source_path("tests/golden")));
  TemporaryFolder folder;
  const auto refused = [&](std::string const& bytes, const char* what) {
    write_file(folder / "w.pth", bytes);
    CHECK_THROWS_WITH_AS(tool::model_of_weights(folder / "w.pth"), doctest::Contains(what), error);
  };
  const auto one = [](std::string const& name) {
    return test::pth_of(
        test::PickleText().raw("}").word(name).tensor("FloatStorage", "0", 4, 0, {2, 2}, {2, 1}).raw("s.").text,
        std::string(16, '\0'));
  };
  refused(one("some.weight"), "tensors of no family");
  refused(one("blocks.0.att.r_k"), "no emb.weight");
}
