// What every language model is tested for, besides its reference implementation's numbers.
#pragma once
#include <doctest/doctest.h>

#include <fauna/models/lm.hpp>

#include <cmath>
#include <cstring>
#include <string>
#include <vector>

#include <fauna/ops/cpu.hpp>
#include <fauna/ops/ref.hpp>
#include <fauna/train/trained.hpp>

#include "batches.hpp"
#include "dual_check.hpp"
#include "worst.hpp"

namespace test {

/// A batch with tokens and targets below `vocab`; some rows have no target.
struct Text {
  std::vector<int> tokens, targets;
  fauna::Batch batch;
  Text(fauna::Batch const& shape, int vocab) : batch(shape) {
    for (int i = 0; i < shape.rows; ++i) {
      tokens.push_back((i * i + 3 * i) % vocab);
      targets.push_back(i % 9 == 4 ? fauna::ignore_target : (i * i + 5 * i + 4) % vocab);
    }
    batch.tokens = tokens.data();
    batch.targets = targets.data();
  }
  Text(Text const&) = delete;
  Text& operator=(Text const&) = delete;
};

/// The loss's derivative along a random direction of all parameters, on dual numbers, against one backward pass.
template <class M> void check_loss_gradient(fauna::Batch const& shape) {
  using fauna::Dual;
  const Text text(shape, M::vocab);
  const std::size_t n = weight_count<M>();
  REQUIRE(n == M::parameters);
  const auto w = random_values(n, 1), wd = weight_direction<M>(2);
  Comparison result;
  {
    Pass<M, Dual> p(text.batch, dual(w, wd), {});
    typename M::template State<Dual> none{};
    result.dual = Dual(M::forward(p.call, p.w, p.dw, none, p.saved)).d;
  }
  Pass<M, double> p(text.batch, w, {});
  typename M::template State<double> none{};
  M::forward(p.call, p.w, p.dw, none, p.saved);
  p.scratch_memory.poison();
  M::backward(p.call, p.w, p.dw, p.saved, none);
  result.add(p.gradients, wd);
  CHECK(result.error() <= 1e-12);
  CHECK(result.terms > 0);
}

/// Loss and all gradients of the CPU policy against the reference policy in double, each tensor relative to its largest
/// gradient (or to 1e-6, where that is nothing but rounding).
template <class M, class P> void check_gradients_on_cpu(double bound) {
  using namespace fauna;
  const Text text(plain(2, 24), M::vocab);
  Trained<M, Cpu<P>> m(seed{5}, 2);
  Trained<M, Ref<double>> r(seed{5});
  m.prepare_training({.sequences = 2, .length = 24});
  r.prepare_training({.sequences = 2, .length = 24});
  CHECK(m.accumulate(text.batch) == doctest::Approx(r.accumulate(text.batch)).epsilon(bound));
  for (std::size_t k = 0; k < m.parameters().size(); ++k) {
    Parameter const& p = m.parameters()[k];
    CAPTURE(p.name);
    const double* want = r.gradient(r.parameters()[k]).data();  // its own offsets: alignment counts in bytes
    const float* got = m.gradient(p).data();
    double worst = 0, largest = 1e-6;
    for (std::size_t i = 0; i < p.size(); ++i) {
      see(worst, std::abs(static_cast<double>(got[i]) - want[i]));
      largest = std::fmax(largest, std::abs(want[i]));
    }
    CHECK(worst <= bound * largest);
  }
}

/// Losses, gradients and parameters of three training steps, bit by bit, for any number of threads.
template <class M, class P> void check_same_bits(int length = 40) {
  using namespace fauna;
  const Text text(plain(3, length), M::vocab);
  const auto run = [&](int threads) {
    Trained<M, Cpu<P>> m(seed{7}, threads);
    m.prepare_training({.sequences = 3, .length = length});
    std::vector<float> all;
    for (int i = 0; i < 3; ++i) {
      all.push_back(static_cast<float>(m.accumulate(text.batch)));
      for (Parameter const& p : m.parameters())
        all.insert(all.end(), m.gradient(p).data(), m.gradient(p).data() + p.size());
      m.update({});
    }
    for (Parameter const& p : m.parameters()) all.insert(all.end(), m.value(p).data(), m.value(p).data() + p.size());
    return all;
  };
  const auto one = run(1);
  for (float x : one) REQUIRE(std::isfinite(x));
  for (int threads : {2, 3, 8}) {
    const auto other = run(threads);
    REQUIRE(one.size() == other.size());
    CHECK(std::memcmp(one.data(), other.data(), one.size() * sizeof(float)) == 0);
  }
}

/// A batch of eight tokens is learnt by heart.
template <class M> void check_learns() {
  using namespace fauna;
  Trained<M, Cpu<>> m(seed{2}, 1);
  const int tokens[] = {1, 5, 2, 8, 3, 9, 10, 4}, targets[] = {5, 2, 8, 3, 9, 10, 4, 0};
  const Batch b = Batch::uniform(1, 8, tokens, targets);
  m.prepare_training({.sequences = 1, .length = 8});
  CHECK(m.accumulate(b) == doctest::Approx(M::loss_weights * std::log(static_cast<double>(M::vocab))).epsilon(0.05));
  for (int i = 0; i < 200; ++i) {
    m.update({.lr = 1e-2, .decay = 0});
    m.accumulate(b);
  }
  m.clear_gradients();
  CHECK(m.accumulate(b) < 0.05);
}

template <class M> std::vector<std::string> names() {
  std::vector<std::string> all;
  typename M::template Weights<fauna::All<float>> w;
  M::visit(w, fauna::Place{}, [&](fauna::Tensor const& t, auto&) { all.push_back(t.name()); });
  return all;
}

}  // namespace test
