// Several texts with drafts in one pass, of models with windows, with states beside them, and with experts.
#include <doctest/doctest.h>

#include <fauna/models/mistral.hpp>

#include "../support/batch_check.hpp"
#include "../support/small_gemma.hpp"

namespace test_speculate_batch_kinds {

using namespace fauna;
using test::SmallGemma;

namespace {

/// Every layer has a window of 20 rows, in a ring of 192.
using Windows = Mistral<MistralConfig{.layers = 2,
                                      .heads = 4,
                                      .kv_heads = 2,
                                      .head_size = 8,
                                      .width = 16,
                                      .hidden = 16,
                                      .context = 530,
                                      .vocab = 13,
                                      .window = 20,
                                      .full_every = unbounded}>;

}  // namespace

TEST_CASE_TEMPLATE("batches: windows that have gone round, and states beside them", M, Windows, SmallGemma) {
  test::check_batches_of_drafts<M, Windows, f32_products>(200);
}

TEST_CASE_TEMPLATE("batches: a draft that is longer than a window can forget is read from the start", M, Windows,
                   SmallGemma) {
  Loaded<M, Cpu<>> model(test::lively<M, Cpu<>>(1).weights(), 1);
  const std::vector<std::vector<int>> prompts{test::some_tokens<M>(210, 1), test::some_tokens<M>(5, 2),
                                              test::some_tokens<M>(230, 3)};
  const GenerateOptions o{.tokens = 90, .temperature = 0, .top_k = 0, .context = 400};
  const auto want = test::each_alone(model, prompts, o);
  const auto got = test::check_together(model, prompts, {.text = o, .draft = 80}, Match{}, [&](std::size_t s) {
    return test::Scripted{test::wrong_at_every(want[s], prompts[s].size(), 7 + static_cast<int>(s), 13)};
  });
  for (std::size_t s = 0; s < got.size(); ++s) CHECK(got[s].ids == want[s]);
}

}  // namespace test_speculate_batch_kinds
