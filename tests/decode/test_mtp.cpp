// Drafts of a model's own layers for further tokens.
#include <doctest/doctest.h>

#include <cmath>

#include <fauna/models/deepseek.hpp>

#include "../support/speculate_check.hpp"

using namespace fauna;
using doctest::Contains;

namespace {

using B = Cpu<>;
constexpr DeepseekV3Config of(int further) {
  return {{.layers = 2, .heads = 2, .width = 16, .hidden = 24, .context = 64, .vocab = 13, .epsilon = 1e-6F},
          {.experts = 4, .chosen = 2, .expert_hidden = 12, .shared_hidden = 12, .dense = 1, .balance = 0},
          {.rank = 12, .nope = 6, .rope = 4, .value = 5, .further = further}};
}
template <int Further> using Model = DeepseekV3<of(Further)>;
template <class M> using HiddenReader = Reader<Loaded<M, B>, true>;
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

TEST_CASE("mtp: what depths say of each row has the loss that training has") {
  using M = Model<2>;
  auto trained = test::lively<M, B>(1);
  Loaded<M, B> model(trained.weights(), 1);
  HiddenReader<M> reader(model, 64, 7);
  reader.remember_all();
  const int n = 21;
  const auto text = test::some_tokens<M>(n + 1, 3);
  const auto loss = [](const float* y, int target) {
    double sum = 0;
    for (int v = 0; v < 13; ++v) sum += std::exp(static_cast<double>(y[v]));
    return std::log(sum) - static_cast<double>(y[target]);
  };
  reader.logits(text.data(), n, 1, n);
  CHECK(reader.known(text.data(), n) == n);
  std::vector<float> h(reader.hidden(0), reader.hidden(0) + n * 16);
  double want = 0;
  for (int k = 0; k <= 2; ++k) {
    const int rows = n - k;
    if (k > 0) {  // in two pieces
      const float* y = reader.further(k - 1, 0, h.data(), text.data() + k, 8);
      std::vector<float> next(y, y + 8 * 16);
      y = reader.further(k - 1, 8, h.data() + 8 * 16, text.data() + 8 + k, rows - 8);
      next.insert(next.end(), y, y + (rows - 8) * 16);
      h = next;
    }
    const float* const y = reader.head(h.data(), rows);
    double mean = 0;
    for (int r = 0; r < rows; ++r) mean += loss(y + r * 13, text[static_cast<std::size_t>(r + k + 1)]) / rows;
    want += k == 0 ? mean : mean * 0.3 / 2;
  }
  trained.prepare_training({.sequences = 1, .length = n});
  CHECK(trained.accumulate(Batch::uniform(1, n, text.data(), text.data() + 1)) == doctest::Approx(want).epsilon(1e-4));
}

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

TEST_CASE_TEMPLATE("mtp: the ids are plain decoding's", M, Model<1>, Model<2>) {
  Loaded<M, B> target(test::lively<M, B>(1).weights(), 1);
  HiddenReader<M> reader(target, 64, 5);
  MtpHeads drafter(reader);
  test::Wild wild{.vocab = M::vocab};
  for (auto o : test::ways(27)) {
    CAPTURE(o.temperature);
    CAPTURE(o.repetition_penalty);
    o.context = 64;
    for (const int length : test::sizes({1, 7, 30}, {30})) {
      CAPTURE(length);
      const auto prompt = test::some_tokens<M>(length, static_cast<std::uint64_t>(length));
      const auto want = test::plain(target, prompt, o);
      auto stops = o;
      stops.stop_ids = {want[want.size() - 9]};
      const auto stopped = test::plain(target, prompt, stops);
      for (int gamma = 0; gamma <= 8; ++gamma) {
        CAPTURE(gamma);
        CHECK(speculate(reader, drafter, prompt, {.text = o, .draft = gamma}).ids == want);
        CHECK(speculate(reader, drafter, prompt, {.text = stops, .draft = gamma}).ids == stopped);
        CHECK(speculate(reader, wild, prompt, {.text = o, .draft = gamma}).ids == want);
      }
    }
    auto ends = o;
    ends.tokens = 70;
    ends.at_end = context_end::slide;
    const auto prompt = test::some_tokens<M>(7, 1);
    CHECK(speculate(reader, drafter, prompt, {.text = ends, .draft = 3}).ids == test::plain(target, prompt, ends));
  }
}

TEST_CASE("mtp: a model without such layers is refused") {
  Loaded<Model<0>, B> model(test::lively<Model<0>, B>(1).weights(), 1);
  HiddenReader<Model<0>> reader(model, 64);
  CHECK_THROWS_WITH_AS(MtpHeads{reader}, Contains("without layers that predict further tokens"), error);
}
