// Models with recurrent mixers on the GPU's kernels: a small Mamba and a small RWKV-7 train and decode as they do on
// the reference policy. The host never touches a tensor: it would die.
#include <doctest/doctest.h>

#include <vector>

#include <fauna/decode/cache.hpp>
#include <fauna/decode/loaded.hpp>
#include <fauna/models/mamba.hpp>
#include <fauna/models/rwkv7.hpp>
#include <fauna/ops/activation/kernel.cuh>
#include <fauna/ops/adamw/kernel.cuh>
#include <fauna/ops/add/kernel.cuh>
#include <fauna/ops/clip/kernel.cuh>
#include <fauna/ops/conv/kernel.cuh>
#include <fauna/ops/cross_entropy/kernel.cuh>
#include <fauna/ops/embedding/kernel.cuh>
#include <fauna/ops/layer_norm/kernel.cuh>
#include <fauna/ops/ref.hpp>
#include <fauna/ops/rms_norm/kernel.cuh>
#include <fauna/ops/rwkv7/kernel.cuh>
#include <fauna/ops/scan/kernel.cuh>
#include <fauna/ops/token_shift/kernel.cuh>
#include <fauna/ops/wkv7/kernel.cuh>
#include <fauna/train/trained.hpp>

#include "support/simt_train.hpp"

namespace test_simt_recurrent_models {

using namespace fauna;
using test::Kernels;
using test::simt::order;

namespace {

using SmallMamba =
    Mamba<MambaConfig{.layers = 2, .width = 16, .inner = 24, .states = 4, .rank = 3, .taps = 4, .vocab = 31}>;
using SmallRwkv7 = Rwkv7<Rwkv7Config{
    .layers = 2, .heads = 2, .width = 16, .hidden = 24, .decay = 4, .learning = 4, .value = 3, .gate = 5, .vocab = 31}>;

}  // namespace

TEST_CASE_TEMPLATE("simt: a recurrent model trains as on the reference, whatever the order of threads", M, SmallMamba,
                   SmallRwkv7) {
  test::check_training<M>(31);
}

namespace {

/// Logits of every row of a text, read at once; then of a part of it and one row at a time, from a state.
template <class T> std::vector<float> outputs(T& model) {
  using M = typename T::model;
  using S = typename T::scalar;
  const std::vector<int> text{1, 2, 3, 4, 5, 30, 20, 8, 9};
  std::vector<S> logits(14 * static_cast<std::size_t>(M::vocab));
  S* at = logits.data();
  const auto room = [&](int rows) { return Matrix<S>(std::exchange(at, at + rows * M::vocab), rows, M::vocab); };
  model.prepare_inference({.sequences = 1, .length = 9});
  model.logits(Batch::uniform(1, 9, text.data()), logit_rows::all, room(9));
  Cache<M, typename T::backend> cache(1);
  model.logits(cache, Batch::uniform(1, 5, text.data()), logit_rows::last, room(1));
  for (int t = 5; t < 9; ++t)
    model.logits(cache, Batch::uniform(1, 1, &text[static_cast<std::size_t>(t)]), logit_rows::last, room(1));
  return {logits.begin(), logits.end()};
}

}  // namespace

TEST_CASE_TEMPLATE("simt: a recurrent model decodes as on the reference, from a state of one size", M, SmallMamba,
                   SmallRwkv7) {
  Trained<M, Ref<double>> reference(seed{9}, 1);
  Trained<M, Kernels> model(seed{9}, 1);
  model.prepare_training({.sequences = 1, .length = 16});
  const test::Text text(16, 31);
  for (int step = 0; step < 3; ++step) {  // RWKV-7's mixers start as zeros
    model.accumulate(Batch::uniform(1, 16, text.tokens.data(), text.targets.data()));
    model.update({.lr = 3e-2});
  }
  const auto weights = test::values(model, [&](Parameter const& p) { return model.value(p); });
  std::size_t at = 0;
  for (auto const& p : reference.parameters())
    for (std::size_t i = 0; i < p.size(); ++i) reference.value(p).data()[i] = static_cast<double>(weights[at++]);
  Loaded<M, Kernels> loaded(model.weights(), 1);  // with what blocks derive from their weights
  const auto want = outputs(reference);
  for (const auto o : {order::ascending, order::descending, order::random}) {
    Kernels::order = o;
    const auto got = outputs(model);
    CHECK(test::distance(got, want) < 1e-5 * test::distance(want, std::vector<float>(want.size())));
    CHECK(outputs(loaded) == got);
    const auto rows = [&](int from, int to) {
      return std::vector<float>(got.begin() + 31 * from, got.begin() + 31 * to);
    };
    CHECK(rows(9, 14) == rows(4, 9));
  }
  Kernels::order = order::ascending;
}

}  // namespace test_simt_recurrent_models
