// What training owes a model whose state has one size: a text in pieces is the text at once, documents that are packed
// or padded on the left are sequences of their own, and a state can be trained as weights are.
#pragma once
#include <doctest/doctest.h>

#include <cmath>
#include <vector>

#include <fauna/decode/cache.hpp>
#include <fauna/ops/cpu.hpp>
#include <fauna/train/trained.hpp>

#include "random.hpp"
#include "worst.hpp"

namespace test {

/// Losses and gradients of two ways to compute the same: sums of f32 numbers in different orders.
inline constexpr double same_sums = 2e-4;

template <class M> struct StateCheck {
  using B = fauna::Cpu<>;
  using Model = fauna::Trained<M, B>;
  using Cache = fauna::Cache<M, B>;
  using Numbers = std::vector<float>;

  /// Initial values, moved: those that start at zero would hide what stands behind them.
  static Model model() {
    Model m(fauna::seed{3}, 2);
    Random random(5);
    for (fauna::Parameter const& p : m.parameters())
      for (std::size_t i = 0; i < p.size(); ++i) m.value(p).data()[i] += 0.3F * random.uniform();
    return m;
  }
  static bool close(Numbers const& a, Numbers const& b) {
    double worst = 0, largest = 1e-6;
    REQUIRE(a.size() == b.size());
    for (std::size_t i = 0; i < a.size(); ++i) {
      see(worst, std::fabs(static_cast<double>(a[i] - b[i])));
      largest = std::fmax(largest, std::fabs(static_cast<double>(b[i])));
    }
    CAPTURE(worst / largest);
    return worst <= same_sums * largest;
  }
  static Numbers gradient(Model const& m, fauna::Parameter const& p) {
    return {m.gradient(p).data(), m.gradient(p).data() + p.size()};
  }
  static void check_equal(Model const& m, Model const& want) {
    for (fauna::Parameter const& p : m.parameters()) {
      CAPTURE(p.name);
      CHECK(close(gradient(m, p), gradient(want, want.parameter(p.name))));
    }
  }

  /// Two sequences, cut at the same rows.
  static constexpr int sequences = 2;
  struct Text {
    int length;
    std::vector<int> tokens, targets;
    explicit Text(int n)
        : length(n),
          tokens(Random(1).integers(sequences * n, 0, M::vocab - 1)),
          targets(Random(2).integers(sequences * n, 0, M::vocab - 1)) {}
    /// Rows [from, to) of each sequence.
    Text piece(int from, int to) const {
      Text p(to - from);
      for (int s = 0; s < sequences; ++s)
        for (int t = from; t < to; ++t) {
          const auto here = static_cast<std::size_t>(s * (to - from) + t - from),
                     there = static_cast<std::size_t>(s * length + t);
          p.tokens[here] = tokens[there];
          p.targets[here] = targets[there];
        }
      return p;
    }
    fauna::Batch batch() const { return fauna::Batch::uniform(sequences, length, tokens.data(), targets.data()); }
  };
  /// A state that no text has left.
  static Cache entering() {
    Cache c(sequences);
    auto mark = c.mark();
    Random random(9);
    for (float& x : mark.recurrent) x = 0.25F * random.uniform();
    c.rewind(mark);
    return c;
  }

  /// `cuts`: where pieces end, the whole text's last row at the end.
  static void pieces(std::vector<int> const& cuts) {
    const Text text(cuts.back());
    Model whole = model(), exact = model(), truncated = model();
    for (Model* m : {&whole, &exact, &truncated}) {
      m->prepare_training({.sequences = sequences, .length = text.length});
      m->prepare_inference({.sequences = sequences, .length = text.length});
    }
    Cache state = entering(), to_whole(sequences), to_exact(sequences);
    const double loss = whole.accumulate(state, to_whole, text.batch());

    std::vector<Text> texts;
    std::vector<Cache> before{entering()};
    for (std::size_t i = 0; i < cuts.size(); ++i) {
      texts.push_back(text.piece(i == 0 ? 0 : cuts[i - 1], cuts[i]));
      before.push_back(before.back());
      exact.logits(before.back(), texts.back().batch(), fauna::logit_rows::none, fauna::Matrix<float>());
    }
    CHECK(close(before.back().mark().recurrent, state.mark().recurrent));
    double parts = 0;
    const auto share = [&](std::size_t i) { return static_cast<double>(texts[i].length) / text.length; };
    for (std::size_t i = texts.size(); i-- > 0;)
      parts += share(i) * exact.accumulate(before[i], to_exact, texts[i].batch(), share(i));
    CHECK(parts == doctest::Approx(loss).epsilon(1e-5));
    check_equal(exact, whole);
    CHECK(close(to_exact.mark().recurrent, to_whole.mark().recurrent));

    // Truncated: the same losses, and the same gradients of what stands behind the last state.
    Cache run = entering(), nothing(sequences);
    parts = 0;
    for (std::size_t i = 0; i < texts.size(); ++i) {
      nothing.clear();
      parts += share(i) * truncated.accumulate(run, nothing, texts[i].batch(), share(i));
    }
    CHECK(parts == doctest::Approx(loss).epsilon(1e-5));
    int behind = 0;
    for (fauna::Parameter const& p : truncated.parameters())
      if (fauna::matches("*norm_f.weight", p.name) || fauna::matches("*ln_out.weight", p.name) ||
          fauna::matches("model.norm.weight", p.name)) {
        ++behind;
        CHECK(close(gradient(truncated, p), gradient(whole, p)));
      }
    CHECK(behind == 1);
  }

  /// Documents one behind another in a sequence, each a sequence, and each with a document of padding before it.
  static void documents() {
    const std::vector<int> lengths{70, 1, 17};
    std::vector<int> tokens, targets, positions, start, offsets{0};
    for (const int n : lengths) {
      for (int t = 0; t < n; ++t) {
        positions.push_back(t);
        start.push_back(offsets.back());
      }
      offsets.push_back(offsets.back() + n);
    }
    const int rows = offsets.back();
    tokens = Random(1).integers(rows, 0, M::vocab - 1);
    targets = Random(2).integers(rows, 0, M::vocab - 1);
    fauna::Batch packed = fauna::Batch::uniform(1, rows, tokens.data(), targets.data()), apart = packed;
    packed.positions = positions.data();
    packed.document_start = start.data();
    apart.sequences = 3;
    apart.length = 0;
    apart.offsets = offsets.data();

    const int wide = 72;
    std::vector<int> padded_tokens(3 * wide, 1), padded_targets(3 * wide, fauna::ignore_target), padded_at(3 * wide, 0),
        padded_start(3 * wide, 0);
    for (int s = 0; s < 3; ++s)
      for (int t = 0; t < wide; ++t) {
        const auto at = static_cast<std::size_t>(s * wide + t), n = static_cast<std::size_t>(s);
        const int pads = wide - lengths[n], own = t - pads;
        padded_start[at] = s * wide + (own < 0 ? 0 : pads);
        if (own < 0) continue;
        const auto from = static_cast<std::size_t>(offsets[n] + own);
        padded_tokens[at] = tokens[from];
        padded_targets[at] = targets[from];
        padded_at[at] = own;
      }
    fauna::Batch padded = fauna::Batch::uniform(3, wide, padded_tokens.data(), padded_targets.data());
    padded.positions = padded_at.data();
    padded.document_start = padded_start.data();

    Model separate = model();
    separate.prepare_training({.sequences = 3, .length = wide});
    const double loss = separate.accumulate(apart);
    for (fauna::Batch const& b : {packed, padded}) {
      Model m = model();
      m.prepare_training({.sequences = 3, .length = wide});
      CHECK(m.accumulate(b) == doctest::Approx(loss).epsilon(1e-5));
      check_equal(m, separate);
    }
  }

  /// An initial state learns a text; the weights stay as they are.
  static void tuning() {
    Model m = model();
    m.freeze("*");
    m.prepare_training({.sequences = sequences, .length = 6});
    const Text text(6);
    Cache state(sequences), to_state(sequences);
    auto initial = state.mark();
    double first = 0, last = 0;
    for (int i = 0; i < 60; ++i) {
      state.rewind(initial);
      to_state.clear();
      last = m.accumulate(state, to_state, text.batch());
      if (i == 0) first = last;
      // Against the sign of each number's gradient: numbers of a state have scales of their own.
      const Numbers g = to_state.mark().recurrent;
      for (std::size_t k = 0; k < g.size(); ++k)
        if (g[k] != 0) initial.recurrent[k] -= g[k] > 0 ? 0.02F : -0.02F;
    }
    CAPTURE(first);
    CAPTURE(last);
    CHECK(last < first - 0.1);
    Model fresh = model();
    for (fauna::Parameter const& p : m.parameters())
      CHECK(Numbers(m.value(p).data(), m.value(p).data() + p.size()) ==
            Numbers(fresh.value(p).data(), fresh.value(p).data() + p.size()));
  }
};

/// Rows in pieces of any size, one row among them, within chunks of 16 and of 64 rows and across their ends.
template <class M> void check_state() {
  StateCheck<M>::pieces({1});
  StateCheck<M>::pieces({1, 67, 68, 87});
  StateCheck<M>::pieces({16, 32, 48, 64, 70});
  StateCheck<M>::documents();
  StateCheck<M>::tuning();
}

}  // namespace test
