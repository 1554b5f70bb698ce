// RWKV-4 against the trained weights and logits that come with rwkv.cpp (4 layers of 128 columns, tokens are bytes),
// and where a training starts.
#include <doctest/doctest.h>

#include <cmath>
#include <fauna/models/rwkv4.hpp>

#include "../support/rwkv.hpp"

namespace test_rwkv4 {

using namespace fauna;

namespace {

using Published = Rwkv4<Rwkv4Config{.layers = 4, .width = 128, .hidden = 256, .vocab = 256}>;

}  // namespace

TEST_CASE("rwkv4: the logits of trained weights, all at once and a row at a time") {
  const std::string folder = test::shared_rwkv();
  if (folder.empty()) return;
  const TensorFile weights = open_tensors(folder + "tiny-rwkv-4v0-660K-FP32.bin");
  const std::vector<float> want = test::expected(folder + "expected-logits-4v0-660K.bin");
  const std::vector<int> ids{'"', 'i', 'n'};
  const auto once = test::logits<Published, Cpu<>>(weights, ids, 3);
  CHECK(test::worst(once, want) < 2e-5);
  CHECK(test::logits<Published, Cpu<>>(weights, ids, 1) == once);
  CHECK(test::worst(test::logits<Published, Ref<double>, All<double>>(weights, ids, 3), want) < 2e-5);
}

TEST_CASE("rwkv4: initial values, learning rates and decay of the author's training") {
  const Trained<Rwkv4Shakespeare, Cpu<>> m(seed{1}, 1);
  const auto at = [&](std::string const& name, int r, int c) {
    return static_cast<double>(m.value(m.parameter(name))(r, c));
  };
  const auto near = [](double x) { return doctest::Approx(x).epsilon(1e-6); };
  // Layer 2 of 6: depth 1 - 2/6; column 25 of 100.
  const double depth = 2.0 / 3, late = 0.4;
  CHECK(at("rwkv.blocks.2.attention.time_mix_rkv", 0, 25) == near(std::pow(0.25, 0.5 * depth)));
  CHECK(at("rwkv.blocks.2.attention.time_mix_rkv", 1, 25) == near(std::pow(0.25, depth)));
  CHECK(at("rwkv.blocks.2.attention.time_mix_rkv", 2, 25) == near(std::pow(0.25, depth) + 0.3 * late));
  for (int mix = 0; mix < 2; ++mix)
    CHECK(at("rwkv.blocks.2.feed_forward.time_mix_rk", mix, 25) == near(std::pow(0.25, depth)));
  CHECK(at("rwkv.blocks.2.attention.time_decay", 0, 25) == near(-5 + 8 * std::pow(25.0 / 99, 0.7 + 1.3 * late)));
  for (const int c : {24, 25, 26})
    CHECK(at("rwkv.blocks.2.attention.time_first", 0, c) == near(std::log(0.3) + 0.5 * ((c + 1) % 3 - 1)));
  const auto row_length = [&](std::string const& name) {
    auto const& p = m.parameter(name);
    double squares = 0;
    for (int c = 0; c < p.cols; ++c) squares += at(name, 0, c) * at(name, 0, c);
    return std::sqrt(squares);
  };
  for (const char* zero :
       {"attention.output", "attention.key", "attention.receptance", "feed_forward.value", "feed_forward.receptance"})
    CHECK(row_length(std::string("rwkv.blocks.2.") + zero + ".weight") == 0);
  CHECK(row_length("rwkv.blocks.2.attention.value.weight") == near(1));
  // More rows than columns: the columns are orthonormal times 2, and a row is as long as the others on average alone.
  auto const& key = m.parameter("rwkv.blocks.2.feed_forward.key.weight");
  double squares = 0;
  for (int r = 0; r < key.rows; ++r) squares += std::pow(at(key.name, r, 3), 2);
  CHECK(std::sqrt(squares) == near(2));
  CHECK(std::fabs(at("rwkv.embeddings.weight", 3, 5)) <= 1e-4);
  int rates[4] = {};
  for (auto const& p : m.parameters()) {
    CAPTURE(p.name);
    CHECK_FALSE(p.decays);
    CHECK(p.lr_scale == (p.name.ends_with("time_decay") ? 2 : p.name.ends_with("time_first") ? 3 : 1));
    ++rates[static_cast<int>(p.lr_scale)];
  }
  CHECK(rates[2] == 6);
  CHECK(rates[3] == 6);
}

}  // namespace test_rwkv4
