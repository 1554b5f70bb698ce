// Where a training of RWKV-5 and 6 starts, and what its optimizer does to each tensor: the author's rules
// (blocks/rwkv5.hpp, blocks/rwkv6.hpp), on which results depend.
#include <doctest/doctest.h>

#include <cmath>
#include <fauna/models/rwkv5.hpp>
#include <fauna/models/rwkv6.hpp>
#include <fauna/ops/cpu.hpp>
#include <fauna/train/trained.hpp>

namespace test_rwkv6_start {

using namespace fauna;

namespace {

template <class M> void check(weighs what, const char* mixes, std::vector<std::pair<double, double>> const& starts) {
  const Trained<M, Cpu<>> m(seed{1}, 1);
  const auto at = [&](std::string const& name, int r, int c) {
    return static_cast<double>(m.value(m.parameter("blocks.2." + name))(r, c));
  };
  const auto near = [](double x) { return doctest::Approx(x).epsilon(1e-6); };
  // Layer 2 of 6: depth 1 - 2/6; column 24 of 96.
  const double depth = 2.0 / 3, late = 0.4;
  const auto of = [&](double power, double add) {
    const double own = std::pow(0.25, power * depth) + add * late;
    return what == weighs::row ? own : 1 - own;
  };
  for (std::size_t i = 0; i < starts.size(); ++i)
    CHECK(at(mixes, static_cast<int>(i), 24) == near(of(starts[i].first, starts[i].second)));
  for (int mix = 0; mix < 2; ++mix) CHECK(at("ffn.time_mix_rk", mix, 24) == near(of(1, 0)));
  CHECK(at("att.time_decay", 0, 24) == near(-6 + 5 * std::pow(24.0 / 95, 0.7 + 1.3 * late)));
  for (const int c : {23, 24, 25})
    CHECK(at("att.time_faaaa", 0, c) == near(late * (1 - c / 95.0) + 0.1 * ((c + 1) % 3 - 1)));
  CHECK(at("att.ln_x.weight", 0, 24) == near(std::pow(3.0 / 6, 0.7)));
  const auto row_length = [&](std::string const& name) {
    auto const& p = m.parameter("blocks.2." + name);
    double squares = 0;
    for (int c = 0; c < p.cols; ++c) squares += at(name, 0, c) * at(name, 0, c);
    return std::sqrt(squares);
  };
  for (const char* zero : {"att.output.weight", "ffn.value.weight", "ffn.receptance.weight"})
    CHECK(row_length(zero) == 0);
  CHECK(row_length("att.receptance.weight") == near(1));
  CHECK(row_length("att.key.weight") == near(0.1));
  CHECK(row_length("att.value.weight") == near(1));
  CHECK(row_length("att.gate.weight") == near(0.1));
  int twice = 0, decayed = 0;
  for (auto const& p : m.parameters()) {
    CAPTURE(p.name);
    CHECK(p.decays == (p.name.ends_with(".weight") && p.rows > 1));
    CHECK(p.lr_scale == (p.name.ends_with("time_decay") ? 2 : 1));
    twice += p.lr_scale == 2;
    decayed += p.decays;
  }
  CHECK(twice == 6);
  CHECK(decayed == 2 + 6 * 8);
  if constexpr (requires { M::config.mix; }) {
    CHECK(row_length("att.time_maa_w1") == 0);
    CHECK(row_length("att.time_decay_w1") == 0);
    CHECK(std::fabs(at("att.time_maa_w2_g", 3, 5)) <= 0.01);
    CHECK(std::fabs(at("att.time_decay_w2", 3, 5)) <= 0.01);
    CHECK(at("att.time_maa_w2_g", 3, 5) != at("att.time_maa_w2_r", 3, 5));
  }
}

}  // namespace

TEST_CASE("rwkv5: initial values, learning rates and decay of the author's training") {
  check<Rwkv5Shakespeare>(weighs::row, "att.time_mix_grkv", {{0.5, 0}, {0.5, 0}, {1, 0}, {1, 0.3}});
}
TEST_CASE("rwkv6: initial values, learning rates and decay of the author's training") {
  check<Rwkv6Shakespeare>(weighs::before, "att.time_maa", {{1, 0}, {0.5, 0}, {0.5, 0}, {1, 0}, {1, 0.3}, {1, 0}});
}

}  // namespace test_rwkv6_start
