// The loss of a model on a text: on all of it, or nanoGPT's estimate from a few random batches.
#pragma once
#include <vector>

#include <fauna/core/batch.hpp>
#include <fauna/text/tokens.hpp>

namespace fauna::inline v0 {

/// Memory of one batch [sequences, context] and of its losses.
struct BatchMemory {
  int sequences, context;
  std::vector<int> tokens, targets;
  std::vector<float> losses;

  BatchMemory(int sequences_, int context_)
      : sequences(sequences_), context(context_), tokens(rows()), targets(rows()), losses(rows()) {}
  std::size_t rows() const { return static_cast<std::size_t>(sequences) * static_cast<std::size_t>(context); }
  Batch batch(int n) const { return Batch::uniform(n, context, tokens.data(), targets.data()); }
  Batch batch() const { return batch(sequences); }
  void draw(Tokens t, Key key, std::uint64_t step) {
    draw_batch(t, key, step, sequences, context, tokens.data(), targets.data());
  }
};

/// Losses of rows with a target, added up.
struct LossSum {
  double sum = 0;
  std::size_t counted = 0;
  double mean() const { return sum / static_cast<double>(counted); }

  /// Adds those of the first n sequences.
  template <class T> void add(T& model, BatchMemory& m, int n) {
    model.losses(m.batch(n), m.losses.data());
    for (std::size_t r = 0; r < static_cast<std::size_t>(n) * static_cast<std::size_t>(m.context); ++r) {
      sum += static_cast<double>(m.losses[r]);
      counted += m.targets[r] != no_target;
    }
  }
};

/// Mean cross-entropy in nats over the consecutive windows of the whole text, as many at a time as the memory holds.
template <class T> double evaluate(T& model, Tokens text, BatchMemory& m) {
  const std::size_t all = windows(text, m.context);
  LossSum losses;
  for (std::size_t at = 0; at < all;) {
    const auto most = static_cast<std::size_t>(m.sequences);
    const int n = static_cast<int>(all - at < most ? all - at : most);
    for (int s = 0; s < n; ++s) {
      const std::ptrdiff_t row = static_cast<std::ptrdiff_t>(s) * m.context;
      window(text, window_start(text, m.context, at + static_cast<std::size_t>(s)), m.context, m.tokens.data() + row,
             m.targets.data() + row);
    }
    losses.add(model, m, n);
    at += static_cast<std::size_t>(n);
  }
  return losses.mean();
}

/// Mean cross-entropy over `batches` random batches: nanoGPT's estimate_loss. `step` draws others each time.
template <class T> double estimate(T& model, Tokens text, BatchMemory& m, Key key, std::uint64_t step, int batches) {
  LossSum losses;
  for (int i = 0; i < batches; ++i) {
    m.draw(text, key, step * static_cast<std::uint64_t>(batches) + static_cast<std::uint64_t>(i));
    losses.add(model, m, m.sequences);
  }
  return losses.mean();
}

/// The loss of `text` under a model that has just been loaded: plans memory for `sequences` windows at a time.
template <class T> double evaluate(T& model, Tokens text, int context, int sequences = 12) {
  model.prepare_inference({.sequences = sequences, .length = context});
  BatchMemory m(sequences, context);
  return evaluate(model, text, m);
}

}  // namespace fauna::inline v0
