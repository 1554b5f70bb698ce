// The families whose layers are of several kinds: their configs through a config.json and back, and what they refuse.
#include <doctest/doctest.h>

#include <fauna/models/jamba.hpp>
#include <tools/src/directory.hpp>

#include "../support/config_files.hpp"
#include "../support/temporary.hpp"

using namespace fauna;
using test::through_file;

namespace {

void refused(auto const& c, tool::Config::Json const& changes, const char* what) {
  TemporaryFolder folder;
  auto json = tool::checkpoint_model("a checkpoint", to_text(c))->config_json();
  json.update(changes);
  write_file(folder / "config.json", json.dump());
  CHECK_THROWS_WITH_AS(tool::read_config(folder.path()), doctest::Contains(what), error);
}

}  // namespace

TEST_CASE("a pattern of layers is a word in a line and a text in source") {
  const JambaConfig c = JambaV01::config;
  CHECK(to_text(c).find(" mixers=mmmmammm mlps=de ") != std::string::npos);
  CHECK(cpp_type(c).find("{.mixers = \"mmmmammm\", .mlps = \"de\"}") != std::string::npos);
  CHECK(config_from<JambaConfig>(to_text(c)) == c);
  std::string without = to_text(c);
  without.replace(without.find("mixers=mmmmammm"), 15, "mixers=");
  CHECK_THROWS_WITH_AS(config_from<JambaConfig>(without), doctest::Contains("a line such as"), error);
}

TEST_CASE("every family of several kinds of layers comes back from its config.json") {
  const auto back = [](auto c, auto&&... changes) {
    CHECK(through_file(c) == to_text(c));
    (changes(c), ...);
    CHECK(through_file(c) == to_text(c));
  };
  back(JambaShakespeare::config, [](auto& c) { c.mixer_bias = true, c.states = 7, c.taps = 3, c.rank = 5; });
  back(JambaV01::config, [](auto& c) { c.mixers = "amm", c.mlps = "edd", c.tied = true, c.kv_heads = 32; });
}

TEST_CASE("patterns that a family does not have are refused by name") {
  const JambaConfig jamba = JambaShakespeare::config;
  refused(jamba, {{"attn_layer_offset", 4}}, "attn_layer_offset = 4, expected a whole number from 0 to below 4");
  refused(jamba, {{"attn_layer_period", 200}}, "attn_layer_period = 200, expected 3 to 127");
  refused(jamba, {{"num_experts_per_tok", 9}}, "num_experts_per_tok = 9, expected at most num_experts, 8");
  refused(jamba, {{"mamba_conv_bias", false}}, "mamba_conv_bias = false");
  refused(jamba, {{"position_embedding_type", "rope"}}, "= \"rope\", expected no such field for model_type jamba");
  JambaConfig twice = jamba;
  twice.mixers = "maam";
  CHECK_THROWS_WITH_AS(through_file(twice), doctest::Contains("one layer 'a' in each round"), error);
}
