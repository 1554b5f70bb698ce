// Plans of layouts against published numbers: torchtitan's benchmarks (its README and docs of 2025), Llama 3's table 4
// (Grattafiori et al. 2024), DeepSeek-V3's report.
#include <doctest/doctest.h>

#include <string>

#include <fauna/dist/planner.hpp>

namespace test_planner {

using namespace fauna;

namespace {

constexpr double gib = 1073741824;

PlannedModel llama(int layers, long width, long heads, long hidden) {
  PlannedModel m{.layers = layers, .width = width, .heads = heads, .kv_heads = 8, .hidden = hidden, .vocab = 128256};
  const auto h = static_cast<double>(width);
  m.attention = 2 * h * static_cast<double>((heads + 8) * 128) + 2 * h;
  m.mlp = 3 * h * static_cast<double>(hidden);
  return m;
}
const PlannedModel small = llama(32, 4096, 32, 14336), middle = llama(80, 8192, 64, 28672),
                   large = llama(126, 16384, 128, 53248);

MeshPlan plan(PlannedModel const& m, int ranks, PlannedRun const& run, PlannedMesh const& mesh) {
  CHECK(illegal(mesh, m, run, ranks) == "");
  return plan_mesh(mesh, m, run, {.ranks = ranks});
}

}  // namespace

TEST_CASE("counts and operations are the published ones") {
  CHECK(small.parameters() == 8'030'261'248);
  CHECK(middle.parameters() == 70'553'706'496);
  CHECK(large.parameters() == 405'853'388'800);
  CHECK(1e-9 * small.flops_per_token(8192) == doctest::Approx(57.91).epsilon(1e-4));
  CHECK(1e-9 * middle.flops_per_token(8192) == doctest::Approx(481.4).epsilon(1e-4));
  CHECK(1e-9 * large.flops_per_token(8192) == doctest::Approx(2625).epsilon(1e-3));
}

TEST_CASE("memory is that of published runs, part by part") {
  const PlannedRun two{.batch = 256, .microbatch = 2, .kept = recompute::selective};
  const MeshPlan eight = plan(small, 8, two, {.shards = 8}), many = plan(small, 128, two, {.shards = 128});
  CHECK(eight.state_bytes / gib == doctest::Approx(14.96).epsilon(1e-3));
  CHECK(many.state_bytes / gib == doctest::Approx(0.935).epsilon(1e-3));
  CHECK(eight.bytes() - many.bytes() == doctest::Approx(eight.state_bytes - many.state_bytes));

  const PlannedRun sixteen{.batch = 512, .microbatch = 16, .kept = recompute::full};
  const MeshPlan p = plan(middle, 256, sixteen, {.shards = 32, .tensor = 8});
  const double rows = 16.0 * 8192 / 8;  // of a rank
  CHECK(p.state_bytes / gib == doctest::Approx(4.1).epsilon(5e-3));
  CHECK((p.activation_bytes - rows * middle.saved_bytes(0)) / gib == doctest::Approx(20.0).epsilon(1e-3));
  CHECK(0.4 * p.logit_bytes / gib == doctest::Approx(7.8).epsilon(5e-3));  // one copy in f32
  CHECK(small.saved_bytes(0) == 139'392);

  // The first stage has the table beside its layers.
  const MeshPlan first = plan(large, 512, {.batch = 256}, {.shards = 8, .tensor = 8, .stages = 8});
  CHECK(first.state_bytes / gib > 11.8);
  CHECK(first.state_bytes / gib < 12.5);
}

TEST_CASE("what is sent, by formula") {
  PlannedRun run{.length = 4096, .batch = 32, .microbatch = 1, .kept = recompute::none};
  const auto of = [&](PlannedMesh const& m) { return plan_mesh(m, small, run, {.ranks = m.ranks()}); };
  const double table = small.table(), inner = small.dense_parameters(), row = 4096.0 * 4096 * 2;
  // 2 (n - 1) / n of gradients in f32; in shards the weights twice, in bf16, and gradients once: for each microbatch
  CHECK(of({.copies = 4}).sent_shards == doctest::Approx(2 * 0.75 * (inner + 2 * table) * 4));
  CHECK(of({.shards = 4}).sent_shards == doctest::Approx(0.75 * (inner + 2 * table) * 8 * 8));
  CHECK(of({.tensor = 4}).sent_tensor == doctest::Approx(32 * 32 * 8 * 0.75 * row));
  CHECK(of({.context = 4}).sent_context == doctest::Approx(32 * 32 * 0.75 * 4096 * (8 * 256) * 8));
  CHECK(of({.stages = 4}).sent_stages == doctest::Approx(32 * 2 * row));
  CHECK(of({.stages = 4}).bubble == doctest::Approx(3.0 / 35));
  CHECK(of({.stages = 4, .rounds = 4}).bubble == doctest::Approx(3.0 / (128 + 3)));
  CHECK(of({}).sent_shards + of({}).sent_tensor + of({}).sent_context + of({}).sent_stages == 0);
  // ZB1P: in units of F = I = W = 1 of 3 m + (p - 1).
  const double interleaved = of({.stages = 4, .rounds = 2}).activation_bytes;
  run.zero_bubble = true;
  CHECK(of({.stages = 4}).bubble == doctest::Approx(3.0 / (3 * 32 + 3)));
  CHECK(of({.stages = 4, .rounds = 2}).activation_bytes == doctest::Approx(interleaved * 4 / 5.5));
}

TEST_CASE("the model of time is near what was measured") {
  const auto near = [](double x, double published) { return x > 0.8 * published && x < 1.25 * published; };
  const PlannedRun two{.batch = 16, .microbatch = 2, .kept = recompute::selective};
  CHECK(near(plan(small, 8, two, {.shards = 8}).tokens_per_second, 6667));
  CHECK(near(plan(middle, 256, {.batch = 512, .microbatch = 16}, {.shards = 32, .tensor = 8}).tokens_per_second, 625));
  const PlannedRun long_run{.batch = 2048, .kept = recompute::none};
  CHECK(near(100 * plan(large, 8192, long_run, {.shards = 64, .tensor = 8, .stages = 16, .rounds = 4}).mfu, 43));
}

TEST_CASE("meshes that cannot be say why") {
  const PlannedRun run{.batch = 64};
  const auto why = [&](PlannedMesh const& m, PlannedModel const& of = small) { return illegal(m, of, run, m.ranks()); };
  CHECK(illegal({.shards = 4}, small, run, 8) == "its product is 4, not 8");
  CHECK(why({.tensor = 3}) == "32 heads over 3 tensor ranks");
  CHECK(why({.tensor = 64}) == "32 heads over 64 tensor ranks");
  CHECK(why({.stages = 33}) == "32 layers in 33 stages");
  CHECK(why({.shards = 48}) == "64 sequences over 48 data ranks, 1 at once");
  CHECK(why({.context = 3}) == "sequences of 8192 tokens in 6 chunks over 1 tensor ranks");
  CHECK(why({.shards = 2, .stages = 3, .rounds = 2}) == "32 microbatches in rounds of 3 stages");
  CHECK(why({.shards = 4, .experts = 2}) == "0 experts over 2 of 4 ranks with shards and context");
  PlannedModel sparse = small;
  sparse.experts = 6, sparse.chosen = 2, sparse.expert_hidden = 1024, sparse.expert = 3.0 * 4096 * 1024;
  CHECK(why({.shards = 4, .experts = 4}, sparse) == "6 experts over 4 of 4 ranks with shards and context");
  CHECK(why({.shards = 4, .experts = 2}, sparse) == "");
  CHECK_THROWS_WITH_AS((void)plan_meshes(small, {.length = 8192, .batch = 7}, {.ranks = 97}),
                       doctest::Contains("no mesh of 97 ranks is legal"), error);
}

TEST_CASE("plans fit, the fastest first, and recompute no more than they must") {
  const auto plans = plan_meshes(large, {.batch = 512}, {.ranks = 512, .memory = 96e9});
  REQUIRE(plans.size() > 10);
  for (std::size_t i = 0; i < plans.size(); ++i) {
    CHECK(plans[i].bytes() <= 96e9);
    CHECK(plans[i].mesh.ranks() == 512);
    CHECK(plans[i].mesh.tensor <= 8);
    if (i > 0) CHECK(plans[i].seconds >= plans[i - 1].seconds);
  }
  const auto one = plan_meshes(small, {.batch = 16}, {.ranks = 8});
  CHECK(one.front().mesh == PlannedMesh{.shards = 8});
  CHECK(one.front().kept == recompute::none);
  const auto tight = plan_meshes(small, {.batch = 16}, {.ranks = 8, .memory = 32e9});
  CHECK(tight.front().bytes() <= 32e9);
  CHECK(tight.front().seconds > one.front().seconds);
  // Where nothing fits, what comes nearest.
  const auto none = plan_meshes(middle, {.batch = 4}, {.ranks = 4});
  REQUIRE(none.size() == 1);
  CHECK(none.front().bytes() > 80e9);
}

}  // namespace test_planner
