// The best tree of a size, against all trees of that size; as the shape of a model's drafts and of Medusa's.
#include <doctest/doctest.h>

#include <fauna/decode/speculate/speculate.hpp>

#include "../support/small_llamas.hpp"
#include "../support/speculate_check.hpp"

namespace test_sequoia {

using namespace fauna;
using doctest::Contains;

namespace {

using B = Cpu<>;
using Right = std::vector<std::vector<double>>;

/// The most that any tree of at most so many nodes keeps: all are grown, node by node, each behind one that is there,
/// or in the place of the next rank beside its siblings.
double most_kept(Right const& right, int nodes, DraftTree const& tree = {}) {
  double best = kept_of(tree, right);
  if (tree.size() == nodes) return best;
  for (int parent = DraftTree::root; parent < tree.size(); ++parent) {
    const auto depth = parent == DraftTree::root ? 0U : static_cast<std::size_t>(tree.depth(parent));
    std::size_t rank = 0;
    for (int i = 0; i < tree.size(); ++i) rank += tree.parent(i) == parent;
    if (depth >= right.size() || rank >= right[depth].size()) continue;
    DraftTree larger = tree;
    larger.add(static_cast<int>(rank), parent);
    best = std::max(best, most_kept(right, nodes, larger));
  }
  return best;
}

}  // namespace

TEST_CASE("sequoia: no tree of a size keeps more, by brute force") {
  test::Random random(3);
  for (int round = 0; round < 60; ++round) {
    CAPTURE(round);
    Right right;
    for (int k = random.integer(1, 4); k > 0; --k) {
      right.emplace_back();
      for (int r = random.integer(1, 3); r > 0; --r)  // in no order: the first candidate may be right less often
        right.back().push_back(static_cast<double>(random.integer(0, 8)) / 8);
    }
    for (int nodes = 0; nodes <= 6; ++nodes) {
      const DraftTree tree = sequoia_tree(right, nodes);
      CHECK(tree.size() <= nodes);
      CHECK(kept_of(tree, right) == doctest::Approx(most_kept(right, nodes)).epsilon(1e-12));
      for (int i = 0; i < tree.size(); ++i) {  // a tree: parents first, ranks without gaps
        REQUIRE(tree.parent(i) < i);
        int siblings = 0;
        for (int j = 0; j < i; ++j) siblings += tree.parent(j) == tree.parent(i);
        CHECK(tree.token(i) == siblings);
      }
    }
  }
}

TEST_CASE("sequoia: best first where ranks descend, deep where the first is sure, broad where it is not") {
  const auto t = sequoia_tree({{0.6, 0.3}, {0.5, 0.1}}, 5);
  CHECK(t.tokens == std::vector<int>{0, 1, 0, 0, 1});  // 0.6, 0.3, 0.3, 0.15, 0.06
  CHECK(t.parents == std::vector<int>{-1, -1, 0, 1, 0});
  CHECK(sequoia_tree({{0.6, 0.3}, {0.5, 0.1}}, 50).size() == 6);
  CHECK(sequoia_tree({}, 5).size() == 0);
  const auto chain = sequoia_tree(Right(8, {0.9, 0.05}), 5), bush = sequoia_tree(Right(8, {0.25, 0.24, 0.23, 0.22}), 4);
  CHECK(chain.is_chain());
  CHECK(bush.parents == std::vector<int>(4, DraftTree::root));
  // The second is the one that is right: the first has to stand before it.
  const auto odd = sequoia_tree({{0.1, 0.8}, {0.1, 0.8}}, 4);
  CHECK(kept_of(odd, {{0.1, 0.8}, {0.1, 0.8}}) == doctest::Approx(0.1 + 0.8 + 0.08 + 0.64));
  CHECK_THROWS_WITH_AS(sequoia_tree({{1.5}}, 4), Contains("expected 0 to 1"), error);
  CHECK_THROWS_WITH_AS(sequoia_tree({{0.5}}, 64), Contains("a tree of 64 nodes"), error);
}

TEST_CASE("sequoia: a model drafts the tree that what was measured asks for, and keeps more tokens by it") {
  using M = test::Untied;
  Loaded<M, B> target(test::lively<M, B>(1).weights(), 1);
  const auto prompt = test::some_tokens<M>(5, 7);
  const GenerateOptions o{.tokens = 50, .temperature = 1.2F, .top_k = 0, .seed = 3, .context = 64};
  const auto want = test::plain(target, prompt, o);
  const auto counts = [&](DraftTree const& shape) {
    ModelTree drafter(Reader<Loaded<M, B>>(target, 64), shape);
    const auto got = speculate(target, drafter, prompt, {.text = o, .draft = 4, .nodes = 12});
    CHECK(got.ids == want);
    return got.counts;
  };
  const auto measured = counts(sequoia_tree(Right(4, {0.4, 0.3, 0.2}), 12));
  REQUIRE(measured.offered.size() == 3);
  CHECK(measured.offered[0] >= measured.offered[1]);
  CHECK(measured.right[0] == measured.offered[0]);  // the target's own drafts: the first candidate is always right
  CHECK(measured.right[1] + measured.right[2] == 0);
  std::vector<double> ranks;
  for (std::size_t r = 0; r < 3; ++r)
    ranks.push_back(static_cast<double>(measured.right[r]) / static_cast<double>(measured.offered[r]));
  const auto chain = counts(sequoia_tree(Right(4, ranks), 12));
  CHECK(chain.drafted < measured.drafted);
  CHECK(chain.tokens_per_step() == doctest::Approx(5).epsilon(0.1));
  CHECK(chain.tokens_per_step() > measured.tokens_per_step());
}

}  // namespace test_sequoia
