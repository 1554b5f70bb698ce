// Training on packed examples: losses and gradients are those of the examples apart.
#include <doctest/doctest.h>

#include <cmath>
#include <vector>

#include <fauna/models/gpt.hpp>
#include <fauna/models/llama.hpp>
#include <fauna/ops/cpu.hpp>
#include <fauna/ops/ref.hpp>
#include <fauna/text/packed_examples.hpp>
#include <fauna/train/evaluate.hpp>
#include <fauna/train/trained.hpp>

namespace test_packing {

namespace {

using namespace fauna;

constexpr int vocab = 11, longest = 9;
using SmallGpt = Gpt<GptConfig{.layers = 2, .heads = 2, .width = 8, .context = 24, .vocab = vocab}>;
using SmallLlama = Llama<LlamaConfig{
    .layers = 2, .heads = 2, .kv_heads = 1, .head_size = 4, .width = 8, .hidden = 12, .context = 24, .vocab = vocab}>;

/// Seven examples with prompts of two tokens.
std::vector<int> examples() {
  std::vector<int> ids;
  const int sizes[] = {3, 9, 4, 7, 5, 9, 3};
  for (int e = 0; e < 7; ++e)
    for (int i = 0; i < longest; ++i) {
      const int id = (5 * e + 3 * i * i + i) % vocab;
      ids.push_back(i >= sizes[e] ? ~0 : i < 2 ? ~id : id);
    }
  return ids;
}

/// Loss and gradients of all windows of a text as one batch.
template <class T> double gradients(T& model, Tokens t, BatchMemory& m) {
  for (int s = 0; s < m.sequences; ++s) m.set(s, t, window_start(t, m.context, static_cast<std::size_t>(s)));
  model.prepare_training({.sequences = m.sequences, .length = m.context});
  return static_cast<double>(model.accumulate(m.batch()));
}
BatchMemory memory_for(Tokens t) {
  const int context = static_cast<int>(t.example()) - 1;
  return BatchMemory(static_cast<int>(windows(t, context)), context, t.packed());
}

}  // namespace

TEST_CASE_TEMPLATE("packed examples have the loss and the gradients of examples apart", M, SmallGpt, SmallLlama) {
  const std::vector<int> ids = examples();
  const Tokens apart = Tokens(ids.data(), ids.size(), vocab).in_examples(longest);
  const PackedExamples packed({apart, apart}, 17);
  const Tokens together = packed.split().train;
  CHECK(together.size() == 3 * 17);  // 40 tokens
  using Exact = Trained<M, Ref<double>>;
  Exact one(seed{3}), other(seed{3});
  BatchMemory rows = memory_for(apart), few = memory_for(together);
  const double loss = gradients(one, apart, rows);
  CHECK(std::fabs(gradients(other, together, few) - loss) <= 1e-12);
  double most = 0, worst = 0;
  for (auto const& p : one.parameters())
    for (std::size_t i = 0; i < p.size(); ++i) {
      const double want = one.gradient(p).data()[i];
      most = std::fmax(most, std::fabs(want));
      worst = std::fmax(worst, std::fabs(other.gradient(p).data()[i] - want));
    }
  CHECK(most > 0.01);
  CHECK(worst <= 1e-12 * most);
  // Were documents not told, it would be another loss.
  BatchMemory mixed(few.sequences, few.context);
  Exact third(seed{3});
  CHECK(std::fabs(gradients(third, together, mixed) - loss) > 1e-6);
}

TEST_CASE_TEMPLATE("on the CPU, evaluation sees the same in f32", M, SmallGpt, SmallLlama) {
  const std::vector<int> ids = examples();
  const Tokens apart = Tokens(ids.data(), ids.size(), vocab).in_examples(longest);
  const PackedExamples packed({apart, apart}, 17);
  Trained<M, Cpu<>> model(seed{3}, 2);
  CHECK(evaluate(model, packed.split().train, 16, 2) == doctest::Approx(evaluate(model, apart, 8, 7)).epsilon(1e-6));
}

}  // namespace test_packing
