// A model against a folder that tools/oracles/families.py wrote: logits, loss and every gradient.
#pragma once
#include <doctest/doctest.h>

#include <cmath>
#include <string>
#include <vector>

#include "families.hpp"
#include "model_check.hpp"

namespace test {

/// The largest difference of two lists of numbers, and the largest number that was wanted.
inline Gap gap(std::vector<float> const& got, std::vector<float> const& want) {
  REQUIRE(got.size() == want.size());
  Gap g;
  for (std::size_t i = 0; i < want.size(); ++i) g.see(got[i], want[i]);
  return g;
}

/// The logits of a model of type M that takes logits(batch, matrix).
template <class M, class T> std::vector<float> logits_of(T& model, Golden const& golden) {
  std::vector<float> all(golden.tokens.size() * M::vocab);
  model.logits(golden.batch(), logit_rows::all, Matrix<float>(all.data(), golden.batch().rows, M::vocab));
  return all;
}

template <class M> void check_reference(std::string const& folder) {
  using namespace fauna;
  const Golden golden(folder);
  Trained<M, Cpu<>> model(seed{1}, 2);
  load_weights<M>(Cpu<>{}, model.weights(), SafeTensors(folder));
  model.prepare_training({.sequences = 2, .length = golden.length});
  model.weigh_side_losses({{"*", 0}});  // the golden loss has none
  CHECK(model.accumulate(golden.batch()) == doctest::Approx(floats(golden.file.find("loss"))[0]).epsilon(1e-5));
  CHECK(gap(logits_of<M>(model, golden), floats(golden.file.find("logits"))).close());

  // Gradients in the checkpoint's layout: written as weights are, and read back.
  const TemporaryFolder place;
  save_weights<M>(place / "gradients.safetensors", model.gradients());
  const SafeTensors gradients(place / "gradients.safetensors");
  const auto buffer = [&](std::string const& name) {
    for (auto const& p : model.parameters())
      if (p.is == role::buffer && p.name == name) return true;
    return false;
  };
  double largest = 0;
  for (auto const& t : golden.file.tensors())
    if (t.name.rfind("grad.", 0) == 0) largest = std::fmax(largest, gap(floats(&t), floats(&t)).scale);
  for (auto const& t : gradients.tensors()) {
    CAPTURE(t.name);
    if (buffer(t.name)) continue;  // what it gathers is no gradient
    const SafeTensor* want = golden.file.find("grad." + t.name);
    if (want != nullptr) CHECK(gap(floats(&t), floats(want)).close());
    else CHECK(gap(floats(&t), floats(&t)).scale <= 1e-6 * largest);  // zero, but for rounding
  }
}

}  // namespace test
