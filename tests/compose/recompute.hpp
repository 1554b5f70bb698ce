// Whole models with Recompute around each layer: training leaves the bits of the plain model, whatever the products,
// the threads and the batch.
#pragma once
#include <doctest/doctest.h>

#include <vector>

#include <fauna/compose/recomputed.hpp>
#include <fauna/models/gpt.hpp>
#include <fauna/models/llama.hpp>
#include <fauna/ops/cpu.hpp>
#include <fauna/train/trained.hpp>

#include "../support/batches.hpp"

namespace test::recompute {

using namespace fauna;
inline constexpr int V = 13, W = 16;

template <class Layer>
using Lay = Lm<At<"wte", Embedding<V, W>>, Seq<At<"h", Stack<0, 2, Layer>>, At<"ln_f", RmsNorm<W>>>, TiedHead<W, V>>;

/// The losses, all gradients and all weights of three training steps.
template <class M, class P> std::vector<double> steps(int threads, Batch batch) {
  std::vector<int> tokens, targets;
  for (int i = 0; i < batch.rows; ++i) {
    tokens.push_back(i * 5 % V);
    targets.push_back((i * 7 + 3) % V);
  }
  batch.tokens = tokens.data();
  batch.targets = targets.data();
  Trained<M, Cpu<P>> m(seed{5}, threads);
  m.prepare_training({.sequences = batch.sequences, .length = 7, .total = batch.rows});
  std::vector<double> all;
  for (std::uint64_t i = 0; i < 3; ++i) {
    all.push_back(m.accumulate(batch, 1, Key{3, i}));
    for (Parameter const& p : m.parameters())
      all.insert(all.end(), m.gradient(p).data(), m.gradient(p).data() + p.size());
    m.update({});
    for (Parameter const& p : m.parameters()) all.insert(all.end(), m.value(p).data(), m.value(p).data() + p.size());
  }
  return all;
}

/// Recompute around each layer changes no bit of training.
template <class Layer, class P> void check_checkpoint() {
  using Plain = Lay<Layer>;
  using Again = recomputed<Plain>;
  for (const Batch& batch : {plain(3, 7), ragged()}) {
    CAPTURE(batch.rows);
    const auto want = steps<Plain, P>(1, batch);
    CHECK(want.size() == 3 * (1 + 2 * static_cast<std::size_t>(parameters<Plain>)));
    CHECK(want[0] != want[1 + 2 * static_cast<std::size_t>(parameters<Plain>)]);
    for (const int threads : {1, 3}) {
      CAPTURE(threads);
      CHECK(steps<Plain, P>(threads, batch) == want);
      CHECK(steps<Again, P>(threads, batch) == want);
    }
  }
}

}  // namespace test::recompute
