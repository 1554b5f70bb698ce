// Adapters beside the weights of one model, chosen by sequence.
#include <doctest/doctest.h>

#include <algorithm>

#include <fauna/decode/adapters.hpp>
#include <fauna/decode/generate.hpp>
#include <fauna/decode/speculate/batch.hpp>
#include <fauna/decode/speculate/ngram.hpp>
#include <fauna/models/mixtral.hpp>

#include "../support/adapters.hpp"

namespace test_adapters_beside {

using namespace test;

/// Logits [rows, 29] of sequences of one length, which have these adapters.
template <class T>
std::vector<float> logits_with(T& model, std::vector<int> const& tokens, int sequences, std::vector<int> const& which) {
  Batch batch = Batch::uniform(sequences, static_cast<int>(tokens.size()) / sequences, tokens.data());
  if (!which.empty()) batch.adapters = which.data();
  std::vector<float> y(tokens.size() * 29);
  model.logits(batch, logit_rows::all, Matrix<float>(y.data(), batch.rows, 29));
  return y;
}
std::vector<float> part(std::vector<float> const& of, std::size_t i, std::size_t parts) {
  const std::size_t n = of.size() / parts;
  return {of.begin() + static_cast<std::ptrdiff_t>(i * n), of.begin() + static_cast<std::ptrdiff_t>((i + 1) * n)};
}

/// An adapter of the reference's beside a base of which there is one: to the bit what lora<M> gives, whoever is beside;
/// and without it the base's own.
template <class Case> void check_beside() {
  using M = typename Case::Model;
  const Golden golden(folder_of(Case::base));
  const SafeTensors file(folder_of(Case::base));
  Loaded<M, Cpu<>> plain(file);
  Loaded<typename Case::Adapted, Cpu<>> alone(adapted<Case>().weights());
  Loaded<adaptable<M>, Cpu<>> model(file);
  Adapters<Cpu<>> adapters;
  const Adapter from(adapter_folder(Case::name));
  CHECK(merged_alone<adaptable<M>>(from, file).empty());
  CHECK(add_adapter(adapters, model, from, file) == 0);
  CHECK(add_adapter(adapters, model, from, file) == 1);
  CHECK(model.weight_bytes() == plain.weight_bytes());

  const int n = golden.length;
  for (auto* m : {&model}) m->prepare_inference({.sequences = 5, .length = n});
  plain.prepare_inference({.sequences = 2, .length = n});
  alone.prepare_inference({.sequences = 2, .length = n});
  const auto base = logits_with(plain, golden.tokens, 2, {}), with = logits_with(alone, golden.tokens, 2, {});
  CHECK(base != with);
  CHECK(gap_of(with, floats(SafeTensors(adapter_folder(Case::name) + "/golden.safetensors").find("logits"))).close());
  CHECK(logits_with(model, golden.tokens, 2, {}) == base);
  CHECK(logits_with(model, golden.tokens, 2, {no_adapter, no_adapter}) == base);
  CHECK(logits_with(model, golden.tokens, 2, {0, 0}) == with);

  std::vector<int> five;
  for (const int s : {0, 1, 0, 1, 1})
    five.insert(five.end(), golden.tokens.begin() + s * n, golden.tokens.begin() + (s + 1) * n);
  const auto mixed = logits_with(model, five, 5, {0, 1, no_adapter, no_adapter, 0});
  CHECK(part(mixed, 0, 5) == part(with, 0, 2));
  CHECK(part(mixed, 1, 5) == part(with, 1, 2));
  CHECK(part(mixed, 2, 5) == part(base, 0, 2));
  CHECK(part(mixed, 3, 5) == part(base, 1, 2));
  CHECK(part(mixed, 4, 5) == part(with, 1, 2));
  CHECK_THROWS_WITH_AS(logits_with(model, golden.tokens, 2, {0, 2}), doctest::Contains("with adapter 2"), error);
}

TEST_CASE_TEMPLATE("adapters beside a base: lora's bits, by sequence", Case, LlamaTied, Gpt2Small, NeoX) {
  check_beside<Case>();
}

TEST_CASE("adapters beside a base: texts, and what can only be merged") {
  using M = LlamaTied::Model;
  const SafeTensors file(folder_of("llama_tied"));
  Loaded<adaptable<M>, Cpu<>> model(file);
  Adapters<Cpu<>> adapters;
  const int adapter = add_adapter(adapters, model, Adapter(adapter_folder("llama_tied")), file);
  Loaded<LlamaTied::Adapted, Cpu<>> alone(test::adapted<LlamaTied>().weights());
  const std::vector<int> prompt{3, 1, 4, 1, 5};
  const auto none = [](int) {};
  GenerateOptions o{.tokens = 12, .temperature = 0, .chunk = 2};
  const auto plain = generate_tokens(model, prompt, o, none), want = generate_tokens(alone, prompt, o, none);
  CHECK(plain != want);
  o.adapter = adapter;
  CHECK(generate_tokens(model, prompt, o, none) == want);
  // Two of one prompt, which is read once.
  std::vector<NgramDrafter> drafters(2);
  for (auto const& text : speculate(model, drafters, {prompt, prompt}, {.text = o})) CHECK(text.ids == want);
  // Side by side, read in pieces of other lengths than alone.
  model.prepare_inference({.sequences = 3, .length = 4, .context = 32});
  Cache<adaptable<M>, Cpu<>> cache(3, 32);
  StepMemory memory;
  std::vector<Continuation> texts;
  for (const int which : {no_adapter, adapter, no_adapter})
    texts.push_back({.ids = prompt, .prompt = prompt.size(), .most = which == adapter ? 3 : 4, .adapter = which});
  while (generate_step(model, cache, texts, 4, memory, [&](int s, const float* logits) {
    auto& text = texts[static_cast<std::size_t>(s)];
    text.ids.push_back(static_cast<int>(std::max_element(logits, logits + M::vocab) - logits));
    text.done = text.ids.size() == want.size();
  })) {}
  CHECK(texts[0].ids == plain);
  CHECK(texts[1].ids == want);
  CHECK(texts[2].ids == plain);

  CHECK_THROWS_WITH_AS(add_adapter(adapters, model, Adapter(adapter_folder("gpt2")), file),
                       doctest::Contains("does not fit"), error);
  CHECK(adapters.count() == 1);

  using Half = adaptable<LlamaHalf::Model>;
  const SafeTensors other(folder_of("llama_bf16"));
  CHECK(merged_alone<Half>(Adapter(adapter_folder("llama_bf16")), other).empty());
  CHECK(merged_alone<Half>(Adapter(adapter_folder("llama_dora")), other).size() == 4);
}

TEST_CASE("adapters beside a base: experts, whose rows stand in another order, take none") {
  using Experts = adaptable<Mixtral<MixtralConfig{
      .layers = 1, .heads = 1, .kv_heads = 1, .head_size = 4, .width = 4, .hidden = 4, .experts = 2, .vocab = 5}>>;
  Experts::Weights<All<float>> w{};
  int beside = 0;
  Experts::visit(w, Place{}, [&](Tensor const& t, auto&) {
    CAPTURE(t.name());
    if (t.name().find("experts.") != std::string::npos) CHECK_FALSE(t.adaptable);
    beside += t.adaptable;
  });
  CHECK(beside == 4);
}

}  // namespace test_adapters_beside
