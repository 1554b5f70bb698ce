// A config, written as the reference library's config.json and read back.
#include <doctest/doctest.h>

#include <tools/src/directory.hpp>

#include "../support/temporary.hpp"

namespace {

using namespace fauna;

/// The config's line, after the way through a file.
template <class C> std::string through_file(C const& c) {
  TemporaryFolder folder;
  write_file(folder / "config.json", tool::reference_config(c).dump(2));
  return std::visit([](auto const& back) { return to_text(back); }, tool::read_config(folder.path()).config);
}

}  // namespace

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
  CHECK_THROWS_WITH_AS(tool::reference_config(neox), doctest::Contains("no more rotary columns"), error);
  neox.rotary = 2;
  neox.width = 2;  // of three heads
  CHECK_THROWS_WITH_AS(tool::reference_config(neox), doctest::Contains("heads that divide the width"), error);
}
