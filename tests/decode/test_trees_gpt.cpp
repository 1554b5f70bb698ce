// Trees of drafts with GPT, whose positions are learned; and drafts that branch by themselves.
#include <doctest/doctest.h>

#include <fauna/models/gpt.hpp>
#include <fauna/models/mamba.hpp>

#include "../support/tree_check.hpp"

namespace test_trees_gpt {

using namespace fauna;
using doctest::Contains;

namespace {

using Target = Gpt<GptConfig{.layers = 2, .heads = 2, .width = 16, .context = 64, .vocab = 13, .bias = true}>;
using Recurrent = Mamba<MambaConfig{.layers = 1, .width = 8, .inner = 16, .states = 3, .rank = 1, .vocab = 13}>;

/// A tree as tokens with their parents.
std::vector<std::vector<int>> nodes_of(DraftTree const& t) {
  std::vector<std::vector<int>> all;
  for (int i = 0; i < t.size(); ++i) all.push_back({t.token(i), t.parent(i)});
  return all;
}
DraftTree proposed(NgramTree const& d, std::vector<int> text, int most) {
  DraftTree t;
  d.propose_tree(text, t, most, [](const float*, Law&, Drafted const&) { return 0; });
  return t;
}

}  // namespace

TEST_CASE_TEMPLATE("gpt: a tree's rows are their paths', a branch that stays is a text", P, f32_products,
                   bf16_products) {
  test::check_tree_rows<Target, P>();
}
TEST_CASE("gpt: trees of every drafter give plain decoding's ids") {
  test::check_tree_speculation<Target, Recurrent>();
}

TEST_CASE("n-grams in a tree: the longest suffixes first, the latest of these, common beginnings in common") {
  const NgramTree d(3, 4, 1);
  // behind 1 2: 3 4 and 3 5; behind 2 alone: 9
  CHECK(nodes_of(proposed(d, {1, 2, 3, 4, 7, 1, 2, 3, 5, 8, 2, 9, 9, 1, 2}, 2)) ==
        std::vector<std::vector<int>>{{3, -1}, {5, 0}, {4, 0}, {9, -1}, {9, 3}});
  CHECK(nodes_of(proposed(NgramTree(1, 4, 1), {1, 2, 3, 4, 7, 1, 2, 3, 5, 8, 1, 2}, 3)) ==
        std::vector<std::vector<int>>{{3, -1}, {5, 0}, {8, 1}});
  CHECK(proposed(d, {1, 2, 3}, 4).size() == 0);
  CHECK(proposed(d, {}, 4).size() == 0);
  CHECK_THROWS_WITH_AS(NgramTree(0), Contains("0 branches"), error);
}

TEST_CASE("trees: what is cut goes with all behind it") {
  DraftTree t;
  const int a = t.add(1, -1, {0.5, 0.5}), b = t.add(2, -1, {0.5, 0.5}), c = t.add(3, a), d = t.add(4, b, {1.0});
  t.add(5, c);
  t.add(6, d);
  CHECK(t.depth(4) == 3);
  CHECK(!t.is_chain());
  CHECK(t.find(4, b) == d);
  CHECK(t.find(4, a) == DraftTree::root);
  auto some = t;
  some.filter(63, [&](int i) { return t.token(i) != 3; });
  CHECK(nodes_of(some) == std::vector<std::vector<int>>{{1, -1}, {2, -1}, {4, 1}, {6, 2}});
  CHECK(*some.law(DraftTree::root) == Law{0.5, 0.5});
  CHECK(*some.law(1) == Law{1.0});
  CHECK(some.law(0)->empty());
  t.filter(2, [](int) { return true; });
  CHECK(nodes_of(t) == std::vector<std::vector<int>>{{1, -1}, {2, -1}});
}

TEST_CASE("a branch of a cache: rows that ascend, of those held; and rows of other sequences stay") {
  Loaded<Target, Cpu<>> model(test::lively<Target, Cpu<>>(1).weights(), 1);
  Cache<Target, Cpu<>> cache(2, 64), want(2, 64);
  const auto ids = test::some_tokens<Target>(12, 1), other = test::some_tokens<Target>(9, 2);
  test::last_rows(model, cache, {ids, other});
  test::last_rows(model, want, {{ids.begin(), ids.begin() + 7}, other});
  const auto refused = [&](std::vector<int> const& rows, const char* words) {
    CHECK_THROWS_WITH_AS(cache.keep(0, 5, rows), Contains(words), error);
  };
  refused({4}, "row 4 of a branch");
  refused({6, 6}, "row 6 of a branch");
  refused({12}, "of the 12 held");
  CHECK_THROWS_WITH_AS(cache.keep(2, 0, {}), Contains("sequence 2"), error);
  cache.keep(0, 5, {5, 6});
  CHECK(cache.length(0) == 7);
  CHECK(cache.length(1) == 9);
  const auto next = test::last_rows(model, cache, {{3}, {4}});
  CHECK(next == test::last_rows(model, want, {{3}, {4}}));
  cache.keep(0, 5, {6, 7});  // another text
  CHECK(test::last_rows(model, cache, {{3}, {4}}) != next);
  NgramTree drafter;
  CHECK_THROWS_WITH_AS(speculate(model, drafter, ids, {.text = {.tokens = 3}, .nodes = 64}),
                       Contains("trees of 64 nodes, expected 0 to 63"), error);
}

TEST_CASE("a tree that is read or kept wrongly shows") {
  Loaded<Target, Cpu<>> model(test::lively<Target, Cpu<>>(1).weights(), 1);
  const GenerateOptions o{.tokens = 30, .temperature = 0, .top_k = 0, .context = 64};
  const auto prompt = test::some_tokens<Target>(9, 4);
  const auto want = test::plain(model, prompt, o);
  /// 1: reads a tree as a chain; 2: keeps the rows of the nodes before those that stayed.
  struct Wrong : Reader<Loaded<Target, Cpu<>>> {
    using Base = Reader<Loaded<Target, Cpu<>>>;
    int way;
    Wrong(Loaded<Target, Cpu<>>& m, int w) : Base(m, 64), way(w) {}
    const float* tree_logits(const int* ids, int n, DraftTree const& tree) {
      DraftTree t = tree;
      for (int i = 0; i < t.size() && way == 1; ++i) t.parents[static_cast<std::size_t>(i)] = i - 1;
      from = n;
      return Base::tree_logits(ids, n, t);
    }
    void keep(std::vector<int> const& path) {
      auto wrong = cache();
      Base::keep(path);
      if (way != 2) return;
      std::vector<int> rows;
      for (const int node : path) rows.push_back(from + (node > 0 ? node - 1 : 0));
      wrong.keep(0, from, rows);
      wrong.copy(0, cache(), 0);
    }
    int from = 0;
  };
  const test::ScriptedTree drafter{want, 3, 13};
  for (const int way : {0, 1, 2}) {
    Wrong reader(model, way);
    const bool same = speculate(reader, drafter, prompt, {.text = o, .draft = 4}).ids == want;
    CHECK(same == (way == 0));
  }
}

}  // namespace test_trees_gpt
