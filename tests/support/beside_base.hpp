// Models beside whose frozen base something trains: a small base, a batch for it, and what learning may change.
#pragma once
#include <doctest/doctest.h>

#include <vector>

#include <fauna/models/llama.hpp>
#include <fauna/ops/cpu.hpp>
#include <fauna/train/adapters.hpp>
#include <fauna/train/trained.hpp>

namespace test::beside_base {

using namespace fauna;

using Base = Llama<LlamaConfig{
    .layers = 2, .heads = 2, .kv_heads = 1, .head_size = 4, .width = 8, .hidden = 12, .context = 8, .vocab = 11}>;

/// Two sequences of eight tokens, of eleven.
inline Batch batch() {
  static const auto numbers = [](int step) {
    std::vector<int> v;
    for (int i = 0; i < 16; ++i) v.push_back(i * step % 11);
    return v;
  };
  static const std::vector<int> tokens = numbers(5), targets = numbers(7);
  return Batch::uniform(2, 8, tokens.data(), targets.data());
}
template <class T> std::vector<float> logits(T& model) {
  std::vector<float> y(16 * 11);
  model.prepare_inference({.sequences = 2, .length = 8});
  model.logits(batch(), logit_rows::all, Matrix<float>(y.data(), 16, 11));
  return y;
}
/// Numbers of the size that a trained model's have: what is frozen limits what can be learnt.
template <class T> void enlarge_base(T& model) {
  for (auto const& p : model.parameters())
    if (!is_adapter(p.name) && p.rank == 2)
      for (std::size_t i = 0; i < p.size(); ++i) model.value(p).data()[i] *= 20;
}
/// All numbers of what trains, or of what does not.
template <class T> std::vector<float> values(T const& model, bool trains) {
  std::vector<float> all;
  for (auto const& p : model.parameters())
    if (p.trainable == trains) all.insert(all.end(), model.value(p).data(), model.value(p).data() + p.size());
  return all;
}
/// Updates take the loss below `share` of what it was and change the logits, and no bit of what is frozen.
template <class T> void check_learning(T& model, double share) {
  const std::vector<float> before = values(model, false), start = logits(model);
  model.prepare_training({.sequences = 2, .length = 8});
  const double first = model.accumulate(batch());
  double loss = first;
  for (int i = 0; i < 60; ++i) {
    model.update({.lr = 0.05, .decay = 0});
    loss = model.accumulate(batch());
  }
  CHECK(loss < share * first);
  CHECK(values(model, false) == before);
  CHECK(logits(model) != start);
}

}  // namespace test::beside_base
