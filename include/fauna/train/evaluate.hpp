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
  std::vector<int> positions, document_start;  ///< empty without packed documents
  std::vector<float> losses;

  BatchMemory(int sequences_, int context_, bool packed = false)
      : sequences(sequences_),
        context(context_),
        tokens(rows()),
        targets(rows()),
        positions(packed ? rows() : 0),
        document_start(positions.size()),
        losses(rows()) {}
  std::size_t rows() const { return static_cast<std::size_t>(sequences) * static_cast<std::size_t>(context); }
  Batch batch(int n) const {
    Batch b = Batch::uniform(n, context, tokens.data(), targets.data());
    if (positions.empty()) return b;
    b.positions = positions.data();
    b.document_start = document_start.data();
    return b;
  }
  Batch batch() const { return batch(sequences); }
  /// Sequence s becomes the window that starts at token `at`.
  void set(int s, Tokens t, std::size_t at) {
    const std::ptrdiff_t row = static_cast<std::ptrdiff_t>(s) * context;
    window(t, at, context, tokens.data() + row, targets.data() + row);
    set_documents(s, t, at);
  }
  void draw(Tokens t, Key key, std::uint64_t step) { draw(t, key, step, 0, sequences); }
  /// Sequences [first, first + n) of that batch.
  void draw(Tokens t, Key key, std::uint64_t step, int first, int n) {
    draw_batch(t, key, step, n, context, tokens.data(), targets.data(), first);
    for (int s = 0; s < n; ++s) set_documents(s, t, draw_offset(t, context, key, step, first + s));
  }

 private:
  void set_documents(int s, Tokens t, std::size_t at) {
    if (positions.empty()) return;
    const std::ptrdiff_t row = static_cast<std::ptrdiff_t>(s) * context;
    window_documents(t, at, context, s * context, positions.data() + row, document_start.data() + row);
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
    for (int s = 0; s < n; ++s) m.set(s, text, window_start(text, m.context, at + static_cast<std::size_t>(s)));
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
  BatchMemory m(sequences, context, text.packed());
  return evaluate(model, text, m);
}

}  // namespace fauna::inline v0
