// Lookahead: what a pass is asked, what is learnt of it, and texts that stay plain decoding's.
#include <doctest/doctest.h>

#include "../support/small_llamas.hpp"
#include "../support/tree_check.hpp"

namespace test_lookahead {

using namespace fauna;
using doctest::Contains;

namespace {

using Model = test::Untied;
static_assert(TreeDrafter<Lookahead>);

/// A target whose token at a place is the same whatever stands before it, and which says no token twice.
struct ByPlace {
  static constexpr int size = 97;
  std::vector<float> rows{};
  static int token(int place) { return (place * 5 + 3) % size; }
  static int vocab() { return size; }
  static int context() { return 512; }
  static int tree_room(int) { return 64; }
  float* room(int n) {
    rows.assign(static_cast<std::size_t>(n) * size, 0);
    return rows.data();
  }
  const float* logits(const int*, int n, int wanted, int) {
    float* const y = room(wanted);
    for (int i = 0; i < wanted; ++i) y[i * size + token(n - wanted + i + 1)] = 1;
    return y;
  }
  const float* tree_logits(const int*, int n, DraftTree const& tree) {
    float* const y = room(1 + tree.size());
    for (int i = -1; i < tree.size(); ++i) y[(i + 1) * size + token(n + (i < 0 ? 0 : tree.depth(i)))] = 1;
    return y;
  }
  static void keep(std::vector<int> const&) {}
};
DraftTree proposed(Lookahead& d, std::vector<int> text) {
  DraftTree tree;
  d.propose_tree(text, tree, 99, [](const float*, Law&, Drafted const&) { return 0; });
  return tree;
}
/// Told of other trees, with any logits, of which it makes what it can.
struct Confused {
  Lookahead lookahead;
  int told = 0;
  int vocab() const { return lookahead.vocab(); }
  template <class F> void propose_tree(std::vector<int>& text, DraftTree& tree, int most, F&& draw) {
    lookahead.propose_tree(text, tree, most, draw);
  }
  void see(DraftTree const& tree, const float*) {
    test::Random random(static_cast<std::uint64_t>(++told));
    std::vector<float> y(static_cast<std::size_t>((1 + tree.size()) * lookahead.vocab()));
    for (float& x : y) x = random.uniform();
    if (told % 3 != 0) lookahead.see(tree, y.data());
    if (told % 5 == 0) lookahead.see({}, y.data());
  }
};

}  // namespace

TEST_CASE("lookahead: what a text will say is guessed ahead of it, where n-grams find nothing") {
  ByPlace target;
  std::vector<int> want;
  for (int i = 0; i < 91; ++i) want.push_back(ByPlace::token(i));
  const GenerateOptions o{.tokens = 89, .temperature = 0, .top_k = 0};
  const auto tokens_per_step = [&](auto& drafter, int depth, int nodes) {
    const auto got = speculate(target, drafter, {want[0], want[1]}, {.text = o, .draft = depth, .nodes = nodes});
    CHECK(got.ids == want);
    return got.counts.tokens_per_step();
  };
  for (const LookaheadShape shape : {LookaheadShape{2, 3, 2}, LookaheadShape{3, 5, 5}, LookaheadShape{5, 7, 7}}) {
    CAPTURE(shape.length);
    Lookahead drafter(ByPlace::size, shape);
    const double whole = tokens_per_step(drafter, shape.depth(), shape.nodes());
    MESSAGE("tokens a step: ", whole);
    CHECK(whole > 2.4);
    CHECK(tokens_per_step(drafter, shape.depth(), shape.nodes()) == whole);  // whatever text was before
    CHECK(tokens_per_step(drafter, shape.depth(), 0) == 1);
    CHECK(tokens_per_step(drafter, 1, shape.nodes()) <= 2);
  }
  NgramTree ngrams;
  CHECK(tokens_per_step(ngrams, 4, 63) == 1);
}

TEST_CASE(
    "lookahead: the window is a chain behind the text with a branch at each of its tokens, beside the pool's n-grams") {
  Lookahead d(ByPlace::size, {.length = 3, .window = 4, .candidates = 3});
  const std::vector<int> text{7, 7, 7};
  auto tree = proposed(d, text);  // every guess is 7 yet: depth is all that there is
  CHECK(tree.tokens == std::vector<int>(5, 7));
  CHECK(tree.is_chain());
  // Behind depth k + 1 the target says 10 + k, so column j says 10 + j + 1 behind its branch of two.
  std::vector<float> y(static_cast<std::size_t>(6 * ByPlace::size));
  for (int node = -1; node < 5; ++node) y[static_cast<std::size_t>((node + 1) * ByPlace::size + 10 + node)] = 1;
  d.see(tree, y.data());
  tree = proposed(d, {7, 7, 7, 9});
  CHECK(tree.tokens == std::vector<int>{7, 11, 7, 12, 7, 13, 7, 14});
  CHECK(tree.parents == std::vector<int>{-1, 0, 0, 2, 2, 4, 4, 6});
  // Behind a 7 the pool has the latest three, the text's own 9 7 and 7 9 and the last column's 7 14. The window was not
  // read, and is one place further on, where guesses that agree are the same nodes.
  d.see({}, nullptr);
  tree = proposed(d, {7, 7, 7, 9, 7});
  CHECK(tree.tokens == std::vector<int>{9, 7, 7, 9, 14, 11, 12, 13, 14, 7});
  CHECK(tree.parents == std::vector<int>{-1, 0, -1, 2, 2, -1, 5, 6, 7, 8});
  // Of another text nothing is known.
  CHECK(proposed(d, {3}).tokens == std::vector<int>(5, 3));
}

TEST_CASE("lookahead: the ids of plain decoding, with whatever the drafter was told") {
  using B = Cpu<>;
  Loaded<Model, B> target(test::lively<Model, B>(1).weights(), 1);
  Reader<Loaded<Model, B>> reader(target, 64, 5);
  for (auto o : test::ways(27)) {
    CAPTURE(o.temperature);
    CAPTURE(o.repetition_penalty);
    o.context = 64;
    const auto prompt = test::some_tokens<Model>(7, 3);
    const auto want = test::plain(target, prompt, o);
    auto stops = o;
    stops.stop_ids = {want[20]};
    for (const LookaheadShape shape : {LookaheadShape{2, 1, 1}, LookaheadShape{5, 7, 7}}) {
      Lookahead drafter(Model::vocab, shape);
      Confused confused{drafter};
      for (int gamma = 0; gamma <= 9; ++gamma) {
        CAPTURE(gamma);
        const SpeculateOptions how{.text = o, .draft = gamma, .nodes = shape.nodes()};
        CHECK(speculate(reader, drafter, prompt, how).ids == want);
        CHECK(speculate(reader, confused, prompt, how).ids == want);
        CHECK(speculate(reader, drafter, prompt, {.text = stops, .draft = gamma, .nodes = 63}).ids ==
              test::plain(target, prompt, stops));
      }
    }
    // The end of the context, where no window fits, and the text that slides on.
    auto ends = o;
    ends.tokens = 70;
    ends.at_end = context_end::slide;
    Lookahead drafter(Model::vocab);
    CHECK(speculate(reader, drafter, prompt, {.text = ends, .draft = 10, .nodes = 63}).ids ==
          test::plain(target, prompt, ends));
  }
}

TEST_CASE("lookahead: numbers that cannot be") {
  for (const LookaheadShape bad : {LookaheadShape{1, 2, 2}, LookaheadShape{0, 1, 2}, LookaheadShape{3, 0, 2},
                                   LookaheadShape{3, 2, 0}, LookaheadShape{5, 8, 8}, LookaheadShape{9999, 9999, 9999}})
    CHECK_THROWS_WITH_AS(Lookahead(9, bad), Contains("(W + G) (N - 1) of at most 63"), error);
  CHECK(LookaheadShape{}.nodes() == 56);
  CHECK(LookaheadShape{}.depth() == 10);
  Loaded<Model, Cpu<>> target(test::lively<Model, Cpu<>>(1).weights(), 1);
  Lookahead other(Model::vocab + 1);
  CHECK_THROWS_WITH_AS(speculate(target, other, {1}, {.text = {.tokens = 3}}), Contains("vocabulary of 14"), error);
}

}  // namespace test_lookahead
