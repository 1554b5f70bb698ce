// What states by row promise: of a pass with drafts, the state after each of its rows is, bit for bit, that of reading
// the rows before it one at a time; whoever is beside the draft, and whatever the memory held before. The same of
// states that are folded from factors, which take less memory.
#pragma once
#include <doctest/doctest.h>

#include <string>
#include <vector>

#include <fauna/decode/loaded.hpp>
#include <fauna/decode/speculate/states_by_row.hpp>
#include <fauna/ops/cpu.hpp>

#include "random.hpp"

namespace test {

/// A model of numbers that are large enough for rows to matter, without what training would take.
template <class M, class B> fauna::Loaded<M, B> random_model() {
  typename M::template Weights<fauna::All<float>> w{};
  std::vector<float> numbers;
  const auto placed = [&](fauna::Arena& a) {
    M::visit(w, fauna::Place{}, [&a](fauna::Tensor const& t, auto& v) { place(v, t, a); });
  };
  fauna::Arena measured;
  placed(measured);
  typename fauna::memory<B>::region memory;
  grow(memory, measured.high_water());
  fauna::Arena a = memory.arena();
  placed(a);
  Random random(7);
  M::visit(w, fauna::Place{}, [&](fauna::Tensor const& t, auto& v) {
    for (std::size_t i = 0; i < t.size(); ++i) v.data()[i] = (t.is_vector() ? 1.0F : 2.0F) * random.uniform();
  });
  return fauna::Loaded<M, B>(w, 2);
}

template <class M> struct RewindCheck {
  using B = fauna::Cpu<>;
  using K = fauna::Cache<M, B>;
  using States = fauna::StatesByRow<K>;
  using Texts = std::vector<std::vector<int>>;

  fauna::rewinds how = fauna::rewinds::all_states;
  fauna::Loaded<M, B> model = random_model<M, B>();
  States states{};
  Random random{5};
  std::size_t kept = 0;  ///< bytes, of a draft of seven rows

  std::vector<int> some(int n) { return random.integers(n, 0, M::vocab - 1); }
  static std::string state_of(K const& cache, int sequence) {
    K clean(1, cache.context());
    cache.copy(sequence, clean, 0);
    return clean.serialise();
  }

  /// The logits of all rows of two texts, which may be none of one. parents: of the first, a tree. by_row: the states
  /// of the first are kept.
  std::vector<float> read(K& cache, Texts const& texts, std::vector<int> const& parents = {}, bool by_row = false) {
    std::vector<int> tokens = texts[0], offsets{0, static_cast<int>(tokens.size())}, tree, positions;
    tokens.insert(tokens.end(), texts[1].begin(), texts[1].end());
    offsets.push_back(static_cast<int>(tokens.size()));
    fauna::Batch b;
    b.sequences = 2;
    b.rows = offsets[2];
    b.offsets = offsets.data();
    b.tokens = tokens.data();
    if (!parents.empty()) {
      for (int r = 0; r < b.rows; ++r) {
        const int q = r >= offsets[1], first = offsets[static_cast<std::size_t>(q)];
        const int before = q == 0 ? parents[static_cast<std::size_t>(r)] : r > first ? r - 1 : -1;
        tree.push_back(before);
        positions.push_back(before < 0 ? cache.length(q) : positions[static_cast<std::size_t>(before)] + 1);
      }
      b.parent = tree.data();
      b.positions = positions.data();
    }
    if (by_row) states.begin(how, cache, b, [](int q) { return q == 0; });
    std::vector<float> y(tokens.size() * M::vocab);
    model.prepare_inference({.sequences = 2, .length = 64, .context = 64});
    model.logits(cache, b, fauna::logit_rows::all, fauna::Matrix<float>(y.data(), b.rows, M::vocab));
    return y;
  }
  /// The same of one row after another of the first text, whose states are then `after`.
  std::vector<float> step(K cache, std::vector<int> const& ids, std::vector<std::string>& after) {
    std::vector<float> all;
    after = {state_of(cache, 0)};
    for (const int id : ids) {
      const auto y = read(cache, {{id}, {}});
      all.insert(all.end(), y.begin(), y.end());
      after.push_back(state_of(cache, 0));
    }
    return all;
  }

  void chains() {
    K cache(2, 64);
    (void)read(cache, {some(40), some(50)}, {}, true);  // another text, in the cache and in what is kept
    cache.clear();
    (void)read(cache, {some(9), some(20)});
    for (const int beside : {0, 1, 19}) {
      CAPTURE(beside);
      const auto draft = some(7), other = some(beside);
      std::vector<std::string> after;
      const auto want = step(cache, draft, after);
      K plain = cache;
      const auto both = read(plain, {draft, other});
      const auto got = read(cache, {draft, other}, {}, true);
      kept = states.bytes();
      CHECK(std::vector<float>(got.begin(), got.begin() + 7 * M::vocab) == want);
      CHECK(got == both);
      CHECK(states.nearest(0, 8) == -1);
      CHECK(states.nearest(0, 99) == 16);
      states.put_back(cache, 0, 15, 16);  // a row too few
      CHECK(state_of(cache, 0) != after[7]);
      for (int n = 7; n >= 0; --n) {
        CAPTURE(n);
        states.put_back(cache, 0, 9 + n, 9 + n);
        CHECK(states.nearest(0, 99) == 9 + n);
        CHECK(state_of(cache, 0) == after[static_cast<std::size_t>(n)]);
        CHECK(state_of(cache, 1) == state_of(plain, 1));
      }
    }
  }
  /// More rows than a mixer in chunks reads one by one.
  void many() {
    K cache(2, 64);
    const auto draft = some(20);
    std::vector<std::string> after;
    const auto want = step(cache, draft, after);
    CHECK(read(cache, {draft, {}}, {}, true) == want);
    states.put_back(cache, 0, 18, 18);
    CHECK(state_of(cache, 0) == after[18]);
  }
  /// Of a tree, the state of each node is that of its path.
  void trees() {
    K cache(2, 64);
    (void)read(cache, {some(9), some(20)});
    const auto nodes = some(10);
    const std::vector<int> parents{-1, 0, 0, 1, -1, 4, 3, 2, 5, 6};
    K read_all = cache;
    const auto got = read(read_all, {nodes, some(3)}, parents, true);
    for (int node = 0; node < 10; ++node) {
      CAPTURE(node);
      std::vector<int> path;
      for (int i = node; i >= 0; i = parents[static_cast<std::size_t>(i)])
        path.insert(path.begin(), nodes[static_cast<std::size_t>(i)]);
      std::vector<std::string> after;
      const auto want = step(cache, path, after);
      CHECK(std::vector<float>(got.begin() + node * M::vocab, got.begin() + (node + 1) * M::vocab) ==
            std::vector<float>(want.end() - M::vocab, want.end()));
      States kept = states;
      kept.put_back(read_all, 0, 9 + node + 1, 9 + static_cast<int>(path.size()));
      CHECK(state_of(read_all, 0) == after.back());
      const int known = node < 2 ? 10 + node : 9;  // the first two are the rows that they would be alone
      CHECK(kept.nearest(0, 99) == known);
      read_all.advance(fauna::Batch::uniform(1, 10 - static_cast<int>(path.size())));  // as if nothing had gone back
    }
  }
};

}  // namespace test
