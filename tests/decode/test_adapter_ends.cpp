// Adapters with a token table, a head, or modules that train as they are, against peft.
#include <doctest/doctest.h>

#include <fauna/decode/adapters.hpp>
#include <fauna/models/adaptable.hpp>

#include "../support/adapters.hpp"

namespace test_adapter_ends {

using namespace test;

namespace {

struct Ends {
  static constexpr const char *name = "llama_ends", *base = "llama_bf16";
  using Model = Llama<half>;
  using Adapted = lora<Model, LoraConfig{.rank = 2, .alpha = 6, .on = "q_proj|embed_tokens|lm_head"}>;
};
struct Whole {
  static constexpr const char *name = "llama_whole", *base = "llama_bf16";
  using Model = Llama<half>;
  using Adapted = lora<Model, LoraConfig{.rank = 2, .alpha = 6, .on = "v_proj", .whole = "embed_tokens|lm_head"}>;
};

}  // namespace

TEST_CASE_TEMPLATE("adapters: table, head and whole modules, the reference library's numbers", Case, Ends, Whole) {
  check_against_reference<Case>();
}
TEST_CASE_TEMPLATE("adapters: with tables, heads and whole modules they are written as they are read", Case, Ends,
                   Whole) {
  const auto model = adapted<Case>();
  const TemporaryFolder place;
  save_adapter<typename Case::Adapted>(place / "a", model.weights(), "base");
  const Adapter from(place / "a"), reference(adapter_folder(Case::name));
  CHECK(from.layers().size() == reference.layers().size());
  CHECK(from.config().whole == reference.config().whole);
  for (auto const& t : from.file().tensors()) {
    CAPTURE(t.name);
    REQUIRE(reference.file().find(t.name) != nullptr);
    CHECK(floats(&t) == floats(reference.file().find(t.name)));
  }
  SafeTensors base(folder_of(Case::base)), other(folder_of("gpt2"));
  CHECK(merged_alone<adaptable<typename Case::Model>>(from, base).size() == 2);
  CHECK_THROWS_AS(from.merge_into(other), error);
}
TEST_CASE("adapters: a whole module of another shape is refused, and nothing is changed") {
  const Adapter from(adapter_folder("llama_whole"));
  SafeTensors base(folder_of("llama_tied"));
  const std::vector<float> before = floats(base.find("model.embed_tokens.weight"));
  CHECK_THROWS_AS(from.merge_into(base), error);
  CHECK(floats(base.find("model.embed_tokens.weight")) == before);
}

}  // namespace test_adapter_ends
