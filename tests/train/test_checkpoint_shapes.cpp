// A checkpoint of another model is refused, with what differs.
#include <doctest/doctest.h>

#include "saved.hpp"

namespace test_checkpoint_shapes {

using namespace fauna;
using doctest::Contains;
using test::Saved;

TEST_CASE("another model's checkpoint: what differs, with both shapes") {
  Saved s;
  Trained<Gpt<GptConfig{.layers = 2, .heads = 2, .width = 24, .context = 16, .vocab = 27}>, Cpu<>> longer;
  CHECK_THROWS_WITH_AS(load_checkpoint(s.path, longer, load::weights),
                       Contains("transformer.wpe.weight F32 [12, 24], the model has F32 [16, 24]"), error);
  longer.prepare_training({.sequences = 1, .length = 12});
  CHECK_THROWS_WITH_AS(load_checkpoint(s.path, longer),
                       Contains("has transformer.wpe.weight F32 [12, 24], expected transformer.wpe.weight F32 [16"),
                       error);
  Trained<Gpt<GptConfig{.layers = 2, .heads = 2, .width = 24, .context = 12, .vocab = 27, .bias = false}>, Cpu<>> bare;
  bare.prepare_training({.sequences = 1, .length = 12});
  const float before = bare.weights().embed.weight(0, 0);
  for (const load what : {load::weights, load::everything}) {
    CHECK_THROWS_WITH_AS(load_checkpoint(s.path, bare, what), Contains("13 unexpected"), error);
    CHECK_THROWS_WITH_AS(load_checkpoint(s.path, bare, what), Contains("transformer.h.0.attn.c_attn.bias"), error);
  }
  CHECK(bare.weights().embed.weight(0, 0) == before);
  Trained<Gpt<GptConfig{.layers = 1, .heads = 2, .width = 24, .context = 12, .vocab = 27}>, Cpu<>> shallow;
  CHECK_THROWS_WITH_AS(load_checkpoint(s.path, shallow, load::weights), Contains("h.1.ln_1.weight"), error);
  Trained<Gpt<GptConfig{.layers = 3, .heads = 2, .width = 24, .context = 12, .vocab = 27}>, Cpu<>> deep;
  deep.prepare_training({.sequences = 1, .length = 12});
  CHECK_THROWS_WITH_AS(load_checkpoint(s.path, deep),
                       Contains("has no transformer.h.2.ln_1.weight, expected transformer.h.2.ln_1.weight F32 [24]"),
                       error);
}

}  // namespace test_checkpoint_shapes
