// Families with recurrences beside attention: their configs through a config.json and back, and what they refuse.
#include <doctest/doctest.h>

#include <fauna/models/falcon_h1.hpp>
#include <fauna/models/qwen3_5.hpp>
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

TEST_CASE("Qwen3-Next and Qwen3.5 come back from their config.json, and say what they have not") {
  const auto back = [](auto c) {
    CHECK(through_file(c) == to_text(c));
    c.layers = 5, c.mixers = "gagag", c.key_heads = 4, c.keys = 64, c.taps = 3, c.qkv_bias = c.out_bias = true;
    CHECK(through_file(c) == to_text(c));
  };
  back(Qwen3NextShakespeare::config), back(Qwen3Next_80B_A3B::config);
  back(Qwen35_0_8B::config), back(Qwen35_35B_A3B::config);

  const auto c = Qwen3Next_80B_A3B::config;
  refused(c, {{"layer_types", {"full_attention"}}}, "a list of 48 words");
  refused(c, {{"layer_types", std::vector<std::string>(48, "sliding_attention")}},
          "a list of full_attention, linear_attention");
  refused(c, {{"linear_num_key_heads", 5}}, "linear_num_key_heads = 5, expected a number that divides the 32 heads");
  refused(c, {{"mlp_only_layers", {0}}}, "mlp_only_layers = [0]");
  refused(c, {{"decoder_sparse_step", 2}}, "decoder_sparse_step = 2");
  refused(c, {{"use_sliding_window", true}}, "use_sliding_window = true");
  refused(c, {{"linear_speed", 3}}, "linear_speed = 3, expected no such field");
  refused(Qwen35_35B_A3B::config, {{"norm_topk_prob", false}}, "norm_topk_prob = false");
  auto unsure = Qwen35_35B_A3B::config;
  unsure.renormalised = false;
  CHECK_THROWS_WITH_AS(through_file(unsure), doctest::Contains("weights of experts that sum to 1"), error);

  // Without a list, the last of each so many layers has attention.
  TemporaryFolder folder;
  auto json = tool::checkpoint_model("a checkpoint", to_text(c))->config_json();
  json.erase("layer_types");
  json["full_attention_interval"] = 3;
  write_file(folder / "config.json", json.dump());
  CHECK(tool::read_config(folder.path()).model->line().find("mixers=gga ") != std::string::npos);
}
