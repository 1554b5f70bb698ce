// Families with recurrences beside attention: their configs through a config.json and back, and what they refuse.
#include <doctest/doctest.h>

#include <fauna/models/falcon_h1.hpp>
#include <tools/src/directory.hpp>

#include "../support/config_files.hpp"
#include "../support/temporary.hpp"

using namespace fauna;
using test::through_file;

namespace {

template <class C> void refused(C const& c, tool::Config::Json const& changes, const char* what) {
  TemporaryFolder folder;
  auto json = tool::checkpoint_model("a checkpoint", to_text(c))->config_json();
  json.update(changes);
  write_file(folder / "config.json", json.dump());
  CHECK_THROWS_WITH_AS(tool::read_config(folder.path()), doctest::Contains(what), error);
}

}  // namespace

TEST_CASE("Falcon-H1 comes back from its config.json, and says what it has not") {
  FalconH1Config c = FalconH1_0_5B::config;
  CHECK(through_file(c) == to_text(c));
  c.ssm_bias = c.normed = c.gate_first = c.mlp_bias = c.qkv_bias = c.out_bias = true, c.groups = 2,
  c.score_scale = 0.25;
  CHECK(through_file(c) == to_text(c));

  refused(c, {{"mamba_use_mlp", false}}, "mamba_use_mlp = false");
  refused(c, {{"time_step_limit", {0.0, 1.0}}}, "time_step_limit = [0.0,1.0]");
  refused(c, {{"projectors_bias", false}}, "projectors_bias = false, expected the same as mamba_proj_bias");
  refused(c, {{"mamba_n_groups", 5}}, "mamba_n_groups = 5, expected a number that divides the 24 heads");
  refused(c, {{"mamba_d_head", 32}}, "mamba_d_head = 32, expected 64");
  refused(c, {{"ssm_multipliers", {1, 1, 1, 1}}}, "a list of 5 numbers above 0");
  refused(c, {{"mlp_multipliers", {1, -1}}}, "a list of 2 numbers above 0");
  refused(c, {{"mamba_speed", 3}}, "mamba_speed = 3, expected no such field");
}
