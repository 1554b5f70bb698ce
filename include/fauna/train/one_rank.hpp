// What a run asks of the ranks that it has. OneRank answers for a process of its own; DataParallel (dist/) for many.
#pragma once
#include <fauna/train/trained.hpp>

namespace fauna::inline v0 {

struct OneRank {
  /// Does this rank print, evaluate and write files? One of them does.
  static constexpr bool writes() { return true; }
  /// Does this rank run the model in evaluations?
  static constexpr bool evaluates() { return true; }
  /// Told first: of how many batches an update is.
  void divide(int /*batches*/) {}
  /// Parts of an update's sequences whose gradients are computed apart, over all ranks.
  static constexpr int pieces() { return 1; }
  /// Called once the model is ready to train.
  template <class T> void start(T&) {}
  /// pass(i) adds the gradients of piece i to the model's and returns its part of the loss. The loss of all pieces,
  /// whose gradients the model then has.
  template <class T, class F> double gradients(T&, F&& pass) { return pass(0); }
  template <class T> UpdateReport update(T& model, AdamWOptions const& o) { return model.update(o); }
  /// f() while the writing rank has all of the optimizer's state.
  template <class T, class F> void with_state(T&, F&& f) { f(); }
  /// f() of the writing rank, known to all. f may run the model.
  template <class T, class F> auto once(T&, F&& f) { return f(); }
  /// The largest of all ranks' numbers.
  int most(int x) { return x; }
};

}  // namespace fauna::inline v0
