// Where a training of RWKV-7 starts, and what its optimizer does to each tensor: the author's rules
// (blocks/rwkv7.hpp), on which results depend.
#include <doctest/doctest.h>

#include <cmath>
#include <fauna/models/rwkv7.hpp>
#include <fauna/ops/cpu.hpp>
#include <fauna/train/trained.hpp>

namespace test_rwkv7_start {

using namespace fauna;

TEST_CASE("rwkv7: initial values, learning rates and decay of the author's training") {
  const Trained<Rwkv7Shakespeare, Cpu<>> m(seed{1}, 1);
  const auto at = [&](std::string const& name, int r, int c) {
    return static_cast<double>(m.value(m.parameter(name))(r, c));
  };
  const auto near = [](double x) { return doctest::Approx(x).epsilon(1e-6); };
  // Layer 2 of 6: depth 1 - 2/6; column 24 of 96 lies at 24/95 between -1/2 and 1/2, in the third quarter of a head
  // of 32.
  const double depth = 2.0 / 3, quarter = 24.0 / 96, line = 24.0 / 95 - 0.5,
               z = (24 - 15.5) / 15.5 * ((24 - 15.5) / 15.5);
  const double powers[] = {0.2, 0.9, 0.7, 0.7, 0.9, 0.2};
  for (int mix = 0; mix < 6; ++mix)
    CHECK(at("blocks.2.att.x_rwkvag", mix, 24) == near(1 - std::pow(quarter, powers[mix] * depth)));
  CHECK(at("blocks.2.ffn.x_k", 0, 24) == near(1 - std::pow(quarter, std::pow(depth, 4))));
  CHECK(at("blocks.2.att.w0", 0, 24) == near(-6 + 6 * std::pow(24.0 / 95, 1 + std::pow(2.0 / 5, 0.3)) + 0.5 + 2.5 * z));
  CHECK(at("blocks.2.att.a0", 0, 24) == near(-0.19 + 0.3 * z + 0.4 * line));
  CHECK(at("blocks.2.att.v0", 0, 24) == near(0.73 - 0.4 * line));
  CHECK(at("blocks.2.att.k_k", 0, 24) == near(0.71 - 0.1 * line));
  CHECK(at("blocks.2.att.k_a", 0, 24) == near(1.02));
  CHECK(at("blocks.2.att.r_k", 0, 24) == near(-0.04));
  CHECK(at("blocks.2.att.w0", 0, 3) < at("blocks.2.att.w0", 0, 4));
  CHECK(at("blocks.2.att.ln_x.weight", 0, 24) == near(std::pow(3.0 / 6, 0.7)));
  CHECK(at("blocks.0.att.ln_x.weight", 0, 24) == near(std::pow(1.0 / 6, 0.7)));
  const auto row_length = [&](std::string const& name) {
    auto const& p = m.parameter(name);
    double squares = 0;
    for (int c = 0; c < p.cols; ++c) squares += at(name, 0, c) * at(name, 0, c);
    return std::sqrt(squares);
  };
  for (const char* zero : {"att.output.weight", "ffn.value.weight", "att.w1", "att.a1", "att.v1", "att.g1"})
    CHECK(row_length(std::string("blocks.2.") + zero) == 0);
  CHECK(row_length("blocks.2.att.receptance.weight") == near(1));
  CHECK(row_length("blocks.2.att.key.weight") == near(0.1));
  CHECK(row_length("blocks.2.att.value.weight") == near(1));
  CHECK(row_length("head.weight") == near(0.5));
  CHECK(std::fabs(at("emb.weight", 3, 5)) <= 1e-4);
  int twice = 0, decayed = 0;
  for (auto const& p : m.parameters()) {
    CAPTURE(p.name);
    const bool matrix = p.name.ends_with(".weight") && p.rows > 1;
    CHECK(p.decays == matrix);
    CHECK(p.lr_scale == (p.name.ends_with("att.w0") ? 2 : 1));
    twice += p.lr_scale == 2;
    decayed += p.decays;
  }
  CHECK(twice == 6);
  CHECK(decayed == 2 + 6 * 6);
}

}  // namespace test_rwkv7_start
