// EAGLE's drafters: what they read, what they propose, and that the text is the target's own.
#include <doctest/doctest.h>

#include <fauna/decode/speculate/eagle.hpp>

#include "../support/small_llamas.hpp"
#include "../support/tree_check.hpp"

namespace test_eagle {

using namespace fauna;
using doctest::Contains;

namespace {

using test::Tied, test::Untied;
using B = Cpu<>;
template <class M> constexpr EagleConfig small_eagle() {
  EagleConfig c = eagle_of(M::config);
  c.heads = 4, c.kv_heads = 2, c.head_size = 6, c.hidden = 20;
  return c;
}
template <class M> using EagleOf = Eagle<small_eagle<M>()>;
template <class M> using HiddenReader = Reader<Loaded<M, B>, true>;

/// The features of a text by the layer itself, all rows at once.
template <class M>
std::vector<float> at_once(Loaded<EagleOf<M>, B>& layer, Loaded<M, B>& target, std::vector<int> const& text) {
  constexpr int w = M::width;
  const int n = static_cast<int>(text.size());
  std::vector<float> h(text.size() * w), e(text.size() * w), x;
  target.prepare_inference({.sequences = 1, .length = n});
  target.hidden(Batch::uniform(1, n, text.data()), Matrix<float>(h.data(), n, w));
  target.embed(Batch::uniform(1, n, text.data()), Matrix<float>(e.data(), n, w));
  for (int i = 0; i + 1 < n; ++i) {
    x.insert(x.end(), e.begin() + (i + 1) * w, e.begin() + (i + 2) * w);
    x.insert(x.end(), h.begin() + i * w, h.begin() + (i + 1) * w);
  }
  EagleReader fresh(layer, 64);
  const float* const y = fresh.read(x.data(), n - 1);
  return {y, y + (n - 1) * w};
}

}  // namespace

TEST_CASE("eagle: what the target gave is remembered for all rows of the text that stands") {
  Loaded<Untied, B> model(test::lively<Untied, B>(1).weights(), 1);
  HiddenReader<Untied> reader(model, 64, 4), other(model, 64);
  reader.remember_all();
  auto text = test::some_tokens<Untied>(20, 1);
  CHECK(reader.known(text.data(), 20) == 0);
  reader.logits(text.data(), 20, 3, 20);
  CHECK(reader.known(text.data(), 20) == 20);
  const auto same = [&](int n) {
    other.logits(text.data(), n, n, n);
    for (int r = 0; r < n; ++r) CHECK(std::equal(other.hidden(r), other.hidden(r) + 16, reader.hidden(r)));
  };
  same(20);
  DraftTree tree;
  tree.add(1, -1);
  const int a = tree.add(2, -1);
  tree.add(3, 0);
  const int b = tree.add(4, a);
  reader.tree_logits(text.data(), 20, tree);
  reader.keep({a, b});
  text.push_back(2), text.push_back(4);
  CHECK(reader.known(text.data(), 22) == 22);
  same(22);
  text[9] = (text[9] + 1) % 13;
  CHECK(reader.known(text.data(), 22) == 9);
  reader.logits(text.data(), 22, 1, 22);
  same(22);
  const std::vector<int> ids{3, 7};
  const float* const rows = reader.embed(ids.data(), 2);
  const std::vector<float> two(rows, rows + 32);
  const float* const seven = reader.embed(ids.data() + 1, 1);
  CHECK(std::equal(seven, seven + 16, two.begin() + 16));
  CHECK_FALSE(std::equal(seven, seven + 16, two.begin()));
}

TEST_CASE("eagle: a tree's features are those of its paths, the best candidates are what is proposed") {
  auto unsure = test::lively<Untied, B>(1);
  const auto head = unsure.value(unsure.parameter("lm_head.weight"));
  for (std::size_t i = 0; i < head.size(); ++i) head.data()[i] *= 0.01F;
  Loaded<Untied, B> model(unsure.weights(), 1);
  Loaded<EagleOf<Untied>, B> layer(test::lively<EagleOf<Untied>, B>(1).weights(), 1);
  HiddenReader<Untied> reader(model, 64, 5);
  Eagle2 drafter(reader, EagleReader(layer, 64), 9, 3);
  EagleChain chain(reader, EagleReader(layer, 64));
  Sampler greedy(13, {.temperature = 0});
  for (int round = 0; round < 4; ++round) {
    auto text = test::some_tokens<Untied>(7 + 5 * round, static_cast<std::uint64_t>(round % 3));
    const auto n = text.size();
    DraftTree tree;
    drafter.propose_tree(text, tree, 4, 0);
    CHECK((round == 0 ? tree.size() == 0 : true));  // nothing was read yet
    reader.logits(text.data(), static_cast<int>(n) - 1, 1, static_cast<int>(n) - 1);
    tree = {};
    drafter.propose_tree(text, tree, 4, 0);
    CHECK(tree.size() == 9);
    CHECK(text.size() == n);
    // By hand: every path's value, from the layer's features of path after path.
    struct Open {
      std::vector<int> path;
      double value;
    };
    std::vector<Open> all, level{{{}, 0}};
    for (int depth = 0; depth < 4; ++depth) {
      std::vector<Open> next;
      for (auto const& open : level) {
        // The drafter's features stand in for the target's behind the text.
        auto f = at_once<Untied>(layer, model, text);
        std::vector<float> feature(f.end() - 16, f.end());
        EagleText by_path(reader, EagleReader(layer, 64));
        REQUIRE(by_path.behind(text, 4) != nullptr);
        for (const int t : open.path) {
          const float* const y = by_path.drafted({t}, [&](int) { return feature.data(); });
          feature.assign(y, y + 16);
        }
        const float* const y = reader.head(feature.data(), 1);
        double sum = 0;
        const float most = *std::max_element(y, y + 13);
        for (int v = 0; v < 13; ++v) sum += std::exp(static_cast<double>(y[v] - most));
        for (const int t : largest(y, 13, 3)) {
          auto path = open.path;
          path.push_back(t);
          next.push_back({path, open.value + static_cast<double>(y[t] - most) - std::log(sum)});
        }
      }
      all.insert(all.end(), next.begin(), next.end());
      std::stable_sort(next.begin(), next.end(), [](Open const& a, Open const& b) { return a.value > b.value; });
      next.resize(3);
      level = next;
    }
    std::stable_sort(all.begin(), all.end(), [](Open const& a, Open const& b) { return a.value > b.value; });
    std::vector<std::vector<int>> want, got;
    for (std::size_t i = 0; i < 9; ++i) want.push_back(all[i].path);
    for (int i = 0; i < tree.size(); ++i) got.push_back(test::tokens_of(tree, test::path_to(tree, i)));
    std::sort(want.begin(), want.end());
    std::sort(got.begin(), got.end());
    CHECK(got == want);
    // A chain takes the likeliest of each.
    auto longer = text;
    chain.propose(longer, 3, [&](const float* logits) { return greedy(logits, {}, 0); });
    REQUIRE(longer.size() == n + 3);
    auto f = at_once<Untied>(layer, model, text);
    CHECK(longer[n] == largest(reader.head(f.data() + f.size() - 16, 1), 13, 1)[0]);
  }
}

TEST_CASE_TEMPLATE("eagle: whatever it drafts, the text is plain decoding's", M, Untied, Tied) {
  Loaded<M, B> model(test::lively<M, B>(1).weights(), 1);
  Loaded<EagleOf<M>, B> layer(test::lively<EagleOf<M>, B>(1).weights(), 1);
  HiddenReader<M> reader(model, 64, 5);
  EagleChain chain(reader, EagleReader(layer, 64));
  Eagle2 tree(reader, EagleReader(layer, 64), 10);
  Eagle2 narrow(reader, EagleReader(layer, 40), 3, 2);  // texts grow beyond its context
  for (auto o : test::ways(27)) {
    CAPTURE(o.temperature);
    CAPTURE(o.repetition_penalty);
    o.context = 64;
    for (const int length : test::sizes({1, 2, 7, 30}, {30})) {
      CAPTURE(length);
      const auto prompt = test::some_tokens<M>(length, static_cast<std::uint64_t>(length));
      const auto want = test::plain(model, prompt, o);
      for (int gamma = 1; gamma <= 8; ++gamma) {
        CAPTURE(gamma);
        const auto with = [&](auto& drafter) {
          const auto got = speculate(reader, drafter, prompt, {.text = o, .draft = gamma});
          CHECK(got.ids == want);
          return got.counts.drafted;
        };
        CHECK(with(chain) > 12);
        CHECK(with(tree) > 12);
        with(narrow);
      }
    }
  }
}

TEST_CASE("eagle: a drafter of another width or vocabulary is told apart from its target") {
  Loaded<Untied, B> model(test::lively<Untied, B>(1).weights(), 1);
  Loaded<EagleOf<Tied>, B> layer(test::lively<EagleOf<Tied>, B>(1).weights(), 1);
  HiddenReader<Untied> reader(model, 64);
  CHECK_THROWS_WITH_AS(EagleChain(reader, EagleReader(layer, 64)),
                       Contains("a drafter of width 16 and vocabulary 11, expected the model's width 16 and vocabulary "
                                "13"),
                       error);
}

}  // namespace test_eagle
