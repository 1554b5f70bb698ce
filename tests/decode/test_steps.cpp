// Generation in steps: texts that come and go between them, and models whose state has one size.
#include <doctest/doctest.h>

#include <fauna/blocks/embedding.hpp>
#include <fauna/blocks/norm.hpp>
#include <fauna/compose/residual.hpp>
#include <fauna/compose/stack.hpp>
#include <fauna/decode/generate.hpp>
#include <fauna/models/gpt.hpp>
#include <fauna/ops/ref.hpp>
#include <fauna/train/trained.hpp>

#include "../support/toys.hpp"

namespace test_steps {

using namespace fauna;

namespace {

constexpr int V = 11, W = 8;
struct Layer : Residual<Seq<LayerNorm<W>, At<"conv", test::Taps<W>>, At<"scan", test::Scan<W>>, Linear<W, W>>> {};
struct Recurrent : Lm<At<"wte", Embedding<V, W>>, At<"h", Stack<0, 2, Layer>>, TiedHead<W, V>> {};
using Attending = Gpt<GptConfig{.layers = 2, .heads = 2, .width = W, .context = 40, .vocab = V}>;

/// Weights far enough from where they start that texts differ.
template <class M> Trained<M, Ref<float>> model() {
  Trained<M, Ref<float>> m(seed{3});
  for (auto const& p : m.parameters())
    for (std::size_t i = 0; i < p.size(); ++i) m.value(p).data()[i] *= p.rank == 2 ? 30.0F : 1.0F;
  return m;
}

}  // namespace

TEST_CASE_TEMPLATE("steps: a text is its own, whoever is beside it and whenever it came", M, Attending, Recurrent) {
  auto m = model<M>();
  const std::vector<std::vector<int>> prompts{{1, 2, 3, 4, 5, 6, 7}, {8}, {9, 10, 9}};
  GenerateOptions o;
  o.tokens = 12;
  o.temperature = 0;
  o.context = 40;
  std::vector<std::vector<int>> want;
  for (auto const& p : prompts) want.push_back(generate_tokens(m, p, o, [](int) {}));
  CHECK(want[0] != want[1]);
  CHECK(generate_batch(m, prompts, o, [](int, int) {}) == want);
  o.chunk = 2;
  CHECK(generate_batch(m, prompts, o, [](int, int) {}) == want);

  // Two slots for three texts: the third takes the place of the first that ends.
  m.prepare_inference({.sequences = 2, .length = 3, .context = 40});
  Cache<M, Ref<float>> cache(2, 40);
  std::vector<Continuation> all(2);
  std::vector<std::vector<int>> got(3);
  int which[] = {0, 1};
  all[0].ids = prompts[0];
  all[1].ids = prompts[1];
  Sampler greedy(V, {.temperature = 0});
  StepMemory memory;
  int steps = 0;
  const auto next = [&](int q, const float* logits) {
    auto& s = all[static_cast<std::size_t>(q)];
    s.ids.push_back(greedy(logits, {}, 0));
    auto const& prompt = prompts[static_cast<std::size_t>(which[q])];
    if (s.ids.size() < prompt.size() + 12) return;
    got[static_cast<std::size_t>(which[q])] = s.ids;
    s.done = true;
    if (got[2].empty() && which[0] != 2 && which[1] != 2) {
      which[q] = 2;
      s = Continuation{};
      s.ids = prompts[2];
      cache.clear(q);
    }
  };
  while (generate_step(m, cache, all, 3, memory, next)) ++steps;
  CHECK(got == want);
  CHECK(steps < 40);
}

TEST_CASE("steps: several tokens may be added at once, and a draft taken back") {
  auto m = model<Recurrent>();
  GenerateOptions o;
  o.tokens = 9;
  o.temperature = 0;
  const auto want = generate_tokens(m, {1, 2}, o, [](int) {});
  m.prepare_inference({.sequences = 1, .length = 4});
  Cache<Recurrent, Ref<float>> cache(1);
  std::vector<float> row(V), rows(4 * V);
  Sampler greedy(V, {.temperature = 0});
  m.logits(cache, Batch::uniform(1, 2, want.data()), logit_rows::last, Matrix<float>(row.data(), 1, V));
  const auto mark = cache.mark();
  const int wrong[] = {want[2], want[3], (want[4] + 1) % V, 0};
  m.logits(cache, Batch::uniform(1, 4, wrong), logit_rows::all, Matrix<float>(rows.data(), 4, V));
  CHECK(greedy(rows.data() + V, {}, 0) == want[4]);  // the third of the draft is not what the model says
  cache.rewind(mark);
  m.logits(cache, Batch::uniform(1, 2, wrong), logit_rows::last, Matrix<float>(row.data(), 1, V));
  CHECK(std::equal(row.begin(), row.end(), rows.begin() + V));
}

}  // namespace test_steps
