// What a tree of drafts promises: each row has the bits of its path read alone, the branch that stays those of a text
// that never had others, and so the text its own ids.
#pragma once
#include <doctest/doctest.h>

#include <algorithm>
#include <string>
#include <vector>

#include "speculate_check.hpp"

namespace test {

/// Any tree at all.
template <int Vocab> fauna::DraftTree random_tree(Random& random, int nodes) {
  fauna::DraftTree t;
  for (int i = 0; i < nodes; ++i) t.add(random.integer(0, Vocab - 1), random.integer(std::max(-1, i - 6), i - 1));
  return t;
}
inline std::vector<int> path_to(fauna::DraftTree const& t, int node) {
  std::vector<int> path;
  for (; node != fauna::DraftTree::root; node = t.parent(node)) path.insert(path.begin(), node);
  return path;
}
inline std::vector<int> tokens_of(fauna::DraftTree const& t, std::vector<int> const& path) {
  std::vector<int> ids;
  for (const int node : path) ids.push_back(t.token(node));
  return ids;
}

/// Rows against their paths' forward pass, and the cache of a branch that stayed against a fresh one, both with ==; in
/// a cache that has been full of other texts. A longer context is for rings, which have gone round.
template <class M, class P, int Context = 64> void check_tree_rows() {
  using B = fauna::Cpu<P>;
  fauna::Loaded<M, B> model(lively<M, B>(1).weights(), 2);
  constexpr int chunk = Context > 64 ? 64 : 1;
  fauna::Reader reader(model, Context, 7);
  Random random(3);
  for (int round = 0; round < size(20, 5); ++round) {
    CAPTURE(round);
    const int n = random.integer(Context - 63, Context - 24);
    auto text = some_tokens<M>(n, static_cast<std::uint64_t>(round % 7));  // some of them again
    CHECK(reader.tree_room(n) >= Context - n);
    const auto tree = random_tree<M::vocab>(random, random.integer(1, std::min(63, Context - n)));
    const float* const got = reader.tree_logits(text.data(), n, tree);
    std::vector<float> rows(got, got + (1 + tree.size()) * M::vocab);
    for (int node = -1; node < tree.size(); ++node) {
      auto whole = text;
      const auto ids = tokens_of(tree, path_to(tree, node));
      whole.insert(whole.end(), ids.begin(), ids.end());
      fauna::Cache<M, B> fresh(1, Context);
      const auto want = in_chunks(model, fresh, whole, chunk);
      CHECK(std::equal(want.end() - M::vocab, want.end(), rows.begin() + (node + 1) * M::vocab));
    }
    const auto path = path_to(tree, random.integer(-1, tree.size() - 1));
    reader.keep(path);
    const auto ids = tokens_of(tree, path);
    text.insert(text.end(), ids.begin(), ids.end());
    if (text.size() < Context) text.push_back(random.integer(0, M::vocab - 1));
    const int whole = static_cast<int>(text.size());
    const float* const last = reader.logits(text.data(), whole, 1, whole);
    fauna::Cache<M, B> fresh(1, Context);
    const auto want = in_chunks(model, fresh, text, chunk);
    CHECK(std::equal(want.end() - M::vocab, want.end(), last));
    if constexpr (Context == 64) {
      CHECK(state_of(reader.cache()) == state_of(fresh));
    } else {  // beside what a row can see a ring has whatever was there
      fauna::Cache<M, B> mine(1, Context);
      reader.cache().copy(0, mine, 0);
      const auto rest = some_tokens<M>(fresh.room(0), 9);
      if (!rest.empty()) CHECK(in_chunks(model, mine, rest, 7) == in_chunks(model, fresh, rest, 7));
    }
  }
}

/// The right token among wrong ones, at any place of its siblings; at times not there.
struct ScriptedTree {
  std::vector<int> script{};
  int width, vocab;
  template <class F> void propose_tree(std::vector<int>& text, fauna::DraftTree& tree, int most, F&&) const {
    int node = fauna::DraftTree::root;
    for (int d = 0; d < most && text.size() + static_cast<std::size_t>(d) < script.size(); ++d) {
      const int right = script[text.size() + static_cast<std::size_t>(d)], at = (right + d) % (width + 1);
      int next = -1;
      for (int i = 0; i < width; ++i) {
        const int added = tree.add(i == at ? right : (right + 1 + i) % vocab, node);
        if (i == at) next = added;
      }
      if (next < 0) return;
      node = next;
    }
  }
};
/// Trees of anything: ids that no vocabulary has, siblings that are the same, too many nodes.
struct WildTree {
  Random random{6};
  int vocab;
  template <class F> void propose_tree(std::vector<int>&, fauna::DraftTree& tree, int most, F&&) {
    const int n = random.integer(0, 80);
    for (int i = 0; i < n; ++i) tree.add(random.integer(-1, vocab), random.integer(std::max(-1, i - most), i - 1));
  }
};

template <class M, class D> void check_tree_speculation() {
  using B = fauna::Cpu<>;
  using fauna::ModelTree, fauna::NgramTree, fauna::Lookahead, fauna::Match;
  const int vocab = M::vocab, context = 64;
  fauna::Loaded<M, B> target(lively<M, B>(1).weights(), 2);
  fauna::Loaded<D, B> small(lively<D, B>(1).weights(), 1);
  fauna::Reader reader(target, context, 5);
  ModelTree draft(small, context, {2, 2, 1});
  ModelTree self(target, context, {1, 2, 1, 1, 1});
  NgramTree ngram(3, 4, 1);
  WildTree wild{.vocab = vocab};
  Lookahead lookahead(vocab, {.length = 4, .window = 3, .candidates = 4});
  for (auto o : ways(27)) {
    CAPTURE(o.temperature);
    CAPTURE(o.repetition_penalty);
    o.context = context;
    for (const int length : sizes({1, 30}, {30})) {
      CAPTURE(length);
      const auto prompt = some_tokens<M>(length, static_cast<std::uint64_t>(length));
      const auto want = plain(target, prompt, o);
      for (const int gamma : {1, 2, 5})
        for (const int nodes : {0, 1, 6, 63}) {
          CAPTURE(gamma);
          CAPTURE(nodes);
          const auto with = [&](auto& drafter) {
            const auto got = speculate(reader, drafter, prompt, {.text = o, .draft = gamma, .nodes = nodes});
            CHECK(got.ids == want);
            CHECK(got.counts.tokens == 27);
            return got.counts;
          };
          with(ngram);
          with(draft);
          with(wild);
          with(lookahead);
          const auto own = with(self);
          if (nodes == 63) CHECK(own.seen == own.accepted);
          ScriptedTree some{want, 3, vocab};
          const auto counts = with(some);
          if (nodes >= 6 && gamma > 1) CHECK(counts.tokens_per_step() > 1.2);
          if (nodes == 0) CHECK(counts.drafted == 0);
        }
    }
  }
}

}  // namespace test
