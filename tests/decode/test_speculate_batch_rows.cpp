// Several texts in one pass, with drafters that go on from the model's own rows: heads, further layers, EAGLE's layer.
#include <fauna/decode/speculate/speculate.hpp>
#include <fauna/models/eagle.hpp>
#include <fauna/models/gpt.hpp>

#include "../support/rewind_check.hpp"
#include "mtp_model.hpp"

namespace test_speculate_batch_rows {

using namespace fauna;

namespace {

using B = Cpu<>;
using M = test::mtp::Model<2>;
using Target = Loaded<M, B>;
using Shallow = Gpt<GptConfig{.layers = 2, .heads = 2, .width = 16, .context = 64, .vocab = 13}>;
using Layer = Eagle<EagleConfig{
    .heads = 4, .kv_heads = 2, .head_size = 6, .width = 16, .hidden = 20, .context = 64, .vocab = 13}>;

/// Drafters make(reader) of texts in slots, which have had others before, and of a Reader alone: the texts of plain
/// decoding; and alike: after as many steps and drafts.
template <class T, class F> long check_together(T& model, bool alike, F&& make) {
  using M = typename T::model;
  Slots<T> slots(model, 3, 64, 16);
  if (alike) slots.remember();
  std::vector<SlotReader<Slots<T>>> readers;
  for (int s = 0; s < 3; ++s) readers.emplace_back(slots, s);
  std::vector<decltype(make(readers[0]))> drafters;
  for (auto& r : readers) drafters.push_back(make(r));
  std::uint64_t stream = 0;
  long stayed = 0;
  for (auto o : test::ways(27)) {
    CAPTURE(o.temperature);
    CAPTURE(o.repetition_penalty);
    o.context = 64;
    o.chunk = 5;
    std::vector<std::vector<int>> prompts;
    for (const int n : {9, 1, 23}) prompts.push_back(test::some_tokens<M>(n, ++stream));
    const auto got = speculate(slots, drafters, prompts, {.text = o, .draft = 3, .nodes = 7}, Match{}, [](int, int) {});
    for (std::size_t s = 0; s < 3; ++s) {
      CAPTURE(s);
      auto own = o;
      own.sample += s;
      Reader<T, true> reader(model, 64, 5);
      auto drafter = make(reader);
      const auto alone = speculate(reader, drafter, prompts[s], {.text = own, .draft = 3, .nodes = 7});
      CHECK(got[s].ids == alone.ids);
      CHECK(got[s].ids == test::plain(model, prompts[s], own));
      if (alike) CHECK(got[s].counts == alone.counts);
      CHECK(got[s].counts.drafted > 10);
      stayed += got[s].counts.tokens - got[s].counts.steps;
    }
  }
  return stayed;
}

}  // namespace

TEST_CASE("texts at once: drafters that need the model's own rows draft for each what they draft for it alone") {
  auto model = test::random_model<M, B>();
  auto layer = test::random_model<Layer, B>();
  test::Random random(5);
  auto heads = MedusaWeights::initial(3, M::width, M::vocab);
  for (auto* v : {&heads.weight, &heads.bias})
    for (float& x : *v) x = 0.3F * random.uniform();
  const auto tree = MedusaHeads<Reader<Target, true>>::usual_tree(3, 7);
  CHECK(check_together(model, true, [&](auto& r) { return MedusaHeads(r, tree, &heads); }) > 10);
  CHECK(check_together(model, true, [&](auto& r) { return MtpHeads(r); }) > 10);
  CHECK(check_together(model, true, [&](auto& r) { return Eagle2(r, EagleReader(layer, 64), 7, 3); }) > 10);
  CHECK(check_together(model, true, [&](auto& r) { return EagleChain(r, EagleReader(layer, 64)); }) > 10);
}

TEST_CASE("texts at once: the first layers draft in the cache of all, a pool is filled by all") {
  auto model = test::random_model<Shallow, B>();
  CHECK(check_together(model, false, [&](auto& r) { return EarlyExit(r, 1); }) > 10);
  PoolDrafter pool(10);
  CHECK(check_together(model, false, [&](auto&) { return SharedPool(pool); }) > 10);
}

}  // namespace test_speculate_batch_rows
