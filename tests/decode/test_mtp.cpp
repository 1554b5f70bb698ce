// Drafts of a model's own layers for further tokens.
#include <doctest/doctest.h>

#include "mtp_model.hpp"

namespace test_mtp {

using namespace fauna;
using namespace test::mtp;
using doctest::Contains;

namespace {

static_assert(Drafter<MtpHeads<HiddenReader<Model<1>>>>);

/// Layers that add nothing, and depths that pass the embedding on: the trunk says f(t) of its last token t, and so does
/// each depth of the token that it reads.
template <class M> Trained<M, B> by_last_token() {
  auto m = test::lively<M, B>(1);
  for (Parameter const& p : m.parameters()) {
    const auto v = m.value(p);
    const auto all = [&](float to) { std::fill_n(v.data(), p.size(), to); };
    if (matches("*o_proj.weight", p.name) || matches("*down_proj.weight", p.name)) all(0);
    if (matches("*norm.weight", p.name)) all(1);
    if (!matches("*eh_proj.weight", p.name)) continue;
    all(0);
    for (int i = 0; i < M::width; ++i) v.data()[i * 2 * M::width + i] = 1;
  }
  return m;
}
template <class D> std::vector<int> proposed(D& d, std::vector<int> text, int most) {
  const auto before = static_cast<std::ptrdiff_t>(text.size());
  d.propose(text, most, [](const float* y) { return static_cast<int>(std::max_element(y, y + 13) - y); });
  return {text.begin() + before, text.end()};
}

}  // namespace

TEST_CASE_TEMPLATE("mtp: depths that know what the trunk will say are always right, also where the last goes on", M,
                   Model<1>, Model<2>) {
  Loaded<M, B> model(by_last_token<M>().weights(), 1);
  HiddenReader<M> reader(model, 64, 7);
  MtpHeads drafter(reader);
  for (const int length : {2, 3, 20}) {
    const auto prompt = test::some_tokens<M>(length, 5);
    const GenerateOptions o{.tokens = 33, .temperature = 0, .top_k = 0, .context = 64};
    reader.logits(prompt.data(), length - 1, 1, length - 1);
    const auto got = speculate(reader, drafter, prompt, {.text = o, .draft = 4});
    CHECK(got.ids == test::plain(model, prompt, o));
    CHECK(got.counts.seen == got.counts.accepted);
    CHECK(got.counts.steps == 7);
  }
}

TEST_CASE_TEMPLATE("mtp: whatever was drafted before, the next draft is that of a fresh drafter", M, Model<1>,
                   Model<2>) {
  Loaded<M, B> model(test::lively<M, B>(1).weights(), 1);
  HiddenReader<M> reader(model, 64, 7);
  MtpHeads drafter(reader);
  test::Random random(3);
  std::vector<int> text = test::some_tokens<M>(5, 2);
  int drafts = 0;
  for (int round = 0; round < 60; ++round) {
    CAPTURE(round);
    if (text.size() > 50 || round % 20 == 19) text = test::some_tokens<M>(random.integer(2, 9), 7);
    if (round % 20 == 9) text.resize(2 + text.size() / 2);
    const int n = static_cast<int>(text.size()), most = random.integer(1, 6);
    reader.logits(text.data(), n - 1, 1, n - 1);
    HiddenReader<M> other(model, 64);
    MtpHeads fresh(other);
    CHECK(proposed(fresh, text, most).empty());  // nobody has read the text
    other.logits(text.data(), n - 1, 1, n - 1);
    const auto got = proposed(drafter, text, most);
    CHECK(got == proposed(fresh, text, most));
    CHECK(static_cast<int>(got.size()) == most);
    drafts += static_cast<int>(got.size());
    text.insert(text.end(), got.begin(), got.end() - random.integer(0, most));
    text.push_back(random.integer(0, 12));
  }
  CHECK(drafts > 100);
}

TEST_CASE("mtp: a model without such layers is refused") {
  Loaded<Model<0>, B> model(test::lively<Model<0>, B>(1).weights(), 1);
  HiddenReader<Model<0>> reader(model, 64);
  CHECK_THROWS_WITH_AS(MtpHeads{reader}, Contains("without layers that predict further tokens"), error);
}

}  // namespace test_mtp
