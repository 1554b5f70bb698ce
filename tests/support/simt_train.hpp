// Training on the GPU's kernels beside the reference. Who includes this includes the kernels of its model's ops first.
#pragma once
#include <doctest/doctest.h>

#include <cmath>
#include <vector>

#include <fauna/train/trained.hpp>

#include "kernels.hpp"
#include "worst.hpp"

namespace test {

using namespace fauna;

/// Targets with some rows ignored.
struct Text {
  std::vector<int> tokens, targets;
  explicit Text(int rows, int vocab) {
    for (int i = 0; i < rows; ++i) {
      tokens.push_back(i * i % vocab);
      targets.push_back(i % 9 == 4 ? -1 : (i * i + 3) % vocab);
    }
  }
};

std::vector<float> values(auto const& model, auto const& of) {
  using T = std::remove_cvref_t<decltype(model)>;
  std::vector<float> all;
  for (auto const& p : model.parameters()) {
    const OnHost<typename T::backend, typename T::scalar> v(of(p).data(), p.size());
    for (std::size_t i = 0; i < p.size(); ++i) all.push_back(static_cast<float>(v.data()[i]));
  }
  return all;
}

/// Loss of every step, then all weights, of `steps` steps on a batch of 2 sequences, the last cut short.
template <class M, class B> std::vector<float> train(int steps, int vocab, std::vector<float>* gradients = nullptr) {
  Trained<M, B> m(seed{5}, 1);
  const Text text(35, vocab);
  const int offsets[] = {0, 20, 35};
  Batch b;
  b.sequences = 2;
  b.rows = 35;
  b.offsets = offsets;
  b.tokens = text.tokens.data();
  b.targets = text.targets.data();
  m.prepare_training({.sequences = 2, .length = 20, .total = 35});
  std::vector<float> out;
  for (int i = 0; i < steps; ++i) {
    const double loss = m.accumulate(b, 1, Key{11, static_cast<std::uint64_t>(i)});
    if (i == 0 && gradients) *gradients = values(m, [&](Parameter const& p) { return m.gradient(p); });
    out.push_back(static_cast<float>(loss));
    const UpdateReport r = m.update({.lr = 1e-2});
    if (i == steps - 1) CHECK(r.without_gradient == -1);  // some start behind matrices of zeros
    CHECK(r.not_finite == -1);
    out.push_back(static_cast<float>(r.gradient_norm));
  }
  const auto weights = values(m, [&](Parameter const& p) { return m.value(p); });
  out.insert(out.end(), weights.begin(), weights.end());
  return out;
}

inline double distance(std::vector<float> const& a, std::vector<float> const& b) {
  REQUIRE(a.size() == b.size());
  double worst = 0;
  for (std::size_t i = 0; i < a.size(); ++i) {
    see(worst, std::fabs(static_cast<double>(a[i]) - static_cast<double>(b[i])));
  }
  return worst;
}

/// Training on the kernels gives the reference's numbers, and the same bits in every order of threads.
template <class M> void check_training(int vocab) {
  std::vector<float> gradient, first_gradient, exact_gradient;
  const auto exact = train<M, Ref<double>>(3, vocab, &exact_gradient);
  const long before = Kernels::launches;
  const auto first = train<M, Kernels>(3, vocab, &first_gradient);
  CHECK(Kernels::launches > before + 100);
  // Gradients of a loss near ln(vocab): sums of a few hundred f32 terms below 1 in another order. Adam turns the
  // rounding of a gradient near zero into up to the learning rate: so losses are compared closely, weights loosely.
  // (Behind a norm of small numbers, such as a table that starts near zero, gradients are large.)
  const double largest = distance(exact_gradient, std::vector<float>(exact_gradient.size()));
  CHECK(distance(first_gradient, exact_gradient) < 2e-6 * std::fmax(1, largest));
  CHECK(distance(std::vector<float>(first.begin(), first.begin() + 6),
                 std::vector<float>(exact.begin(), exact.begin() + 6)) < 2e-4);
  CHECK(first[4] < first[0]);
  CHECK(distance(first, exact) < 3 * 1e-2);
  for (const auto o : {simt::order::descending, simt::order::random}) {
    Kernels::order = o;
    CHECK(train<M, Kernels>(3, vocab) == first);
  }
  Kernels::order = simt::order::ascending;
}

}  // namespace test
