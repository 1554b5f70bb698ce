// What a recurrent state is for: copying a text and looking up what stood beside a key. Mamba, RWKV-7 and a DeltaNet
// learn both; a model of the same shape whose state is an exponential average does not.
#include <doctest/doctest.h>

#include <algorithm>
#include <fauna/models/linear_lm.hpp>
#include <fauna/models/mamba.hpp>
#include <fauna/models/rwkv7.hpp>
#include <fauna/ops/cpu.hpp>
#include <fauna/train/trained.hpp>
#include <vector>

#include "../support/random.hpp"
#include "../support/toys.hpp"

namespace test_recall {

using namespace fauna;

namespace {

constexpr int vocab = 17, width = 32, sequences = 16;

using SmallMamba = Mamba<MambaConfig{.layers = 2, .width = width, .inner = 64, .states = 8, .rank = 4, .vocab = vocab}>;
using SmallRwkv = Rwkv7<Rwkv7Config{.layers = 2,
                                    .heads = 2,
                                    .width = width,
                                    .hidden = 64,
                                    .decay = 8,
                                    .learning = 8,
                                    .value = 8,
                                    .gate = 8,
                                    .vocab = vocab}>;
using SmallDelta = LinearLm<LinearLmConfig{.mixer = mixing::deltanet,
                                           .layers = 2,
                                           .heads = 2,
                                           .keys = 16,
                                           .values = 16,
                                           .width = width,
                                           .hidden = 64,
                                           .vocab = vocab}>;
/// y = a y_before + x: each channel's decay begins at 0.9 and is learnt.
struct Decaying : test::Scan<64> {
  template <class W, class F> static constexpr void visit(W& w, Place const& at, F&& f) {
    test::Scan<64>::visit(w, at, [&f](Tensor t, auto& v) {
      t.init = filled(0.9F);
      f(t, v);
    });
  }
};
/// As the DeltaNet, but for its state.
struct Average : Seq<Linear<width, 64, false>, Decaying, Linear<64, width, false>> {};
struct SmallAverage : Lm<At<"embeddings", Embedding<vocab, width>>,
                         Seq<Stack<0, 2, LinearLayer<width, Average, 64, Epsilon{}>>, At<"norm", RmsNorm<width>>>,
                         TiedHead<width, vocab>> {};

/// Texts of a task, drawn anew for each step; only what can be known has a target.
struct Texts {
  std::vector<int> tokens, targets;
  int length = 0;
  Batch batch() const { return Batch::uniform(sequences, length, tokens.data(), targets.data()); }
  void add(int token, int target = ignore_target) {
    tokens.push_back(token);
    targets.push_back(target);
  }
};
/// The first n of all symbols in a random order.
std::vector<int> some(test::Random& random, int from, int to, int n) {
  std::vector<int> all;
  for (int i = from; i < to; ++i) all.push_back(i);
  for (int i = 0; i < n; ++i)
    std::swap(all[static_cast<std::size_t>(i)], all[static_cast<std::size_t>(random.integer(i, to - from - 1))]);
  all.resize(static_cast<std::size_t>(n));
  return all;
}
/// A mark, six different symbols, the mark, and the symbols again.
Texts copying(test::Random& random) {
  Texts t;
  for (int s = 0; s < sequences; ++s) {
    const std::vector<int> symbols = some(random, 0, 16, 6);
    t.add(16);
    for (int x : symbols) t.add(x);
    t.add(16, symbols[0]);
    for (std::size_t i = 0; i + 1 < symbols.size(); ++i) t.add(symbols[i], symbols[i + 1]);
  }
  t.length = static_cast<int>(t.tokens.size()) / sequences;
  return t;
}
/// Four pairs of a key and a value, and then the keys in another order.
Texts recalling(test::Random& random) {
  Texts t;
  for (int s = 0; s < sequences; ++s) {
    const std::vector<int> keys = some(random, 0, 8, 4), order = some(random, 0, 4, 4);
    std::vector<int> values;
    for (int key : keys) {
      values.push_back(random.integer(8, 15));
      t.add(key);
      t.add(values.back());
    }
    for (int i : order) t.add(keys[static_cast<std::size_t>(i)], values[static_cast<std::size_t>(i)]);
  }
  t.length = static_cast<int>(t.tokens.size()) / sequences;
  return t;
}

/// The loss of texts that were not seen, in nats, after so many steps at most: it stops where that is below `enough`.
template <class M> double learned(Texts (*task)(test::Random&), double lr, int steps, double enough = 0.1) {
  Trained<M, Cpu<>> model(seed{1}, 1);
  test::Random random(11), unseen(12);
  const Texts test = task(unseen);
  model.prepare_training({.sequences = sequences, .length = test.length});
  double loss = 0;
  for (int i = 1; i <= steps; ++i) {
    const Texts t = task(random);
    model.accumulate(t.batch());
    model.update({.lr = lr * std::min(1.0, i / 20.0), .decay = 0});
    if (i % 100 != 0) continue;
    loss = model.accumulate(test.batch());
    model.clear_gradients();
    if (loss < enough) break;
  }
  return loss;
}

}  // namespace

// Whoever guesses among the symbols that are left is at 1.1 nats when copying, and at 1.4 among the four values.
TEST_CASE("copying is learnt by a state that is written and read by content") {
  CHECK(learned<SmallDelta>(copying, 1e-2, 500) < 0.1);
  CHECK(learned<SmallRwkv>(copying, 1e-2, 500) < 0.1);
  CHECK(learned<SmallMamba>(copying, 1e-2, 800) < 0.1);
}
TEST_CASE("recall is learnt by a state that is written and read by content") {
  CHECK(learned<SmallDelta>(recalling, 1e-2, 600) < 0.1);
  CHECK(learned<SmallRwkv>(recalling, 1e-2, 600) < 0.1);
  CHECK(learned<SmallMamba>(recalling, 2e-2, 1000, 0.2) < 0.2);
}
TEST_CASE("an exponential average learns neither") {
  CHECK(learned<SmallAverage>(copying, 1e-2, 800) > 1);
  CHECK(learned<SmallAverage>(recalling, 1e-2, 800) > 1);
}

}  // namespace test_recall
