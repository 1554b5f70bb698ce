// The families whose layers are of several kinds: their configs through a config.json and back, and what they refuse.
#include <doctest/doctest.h>

#include <fauna/models/granite_hybrid.hpp>
#include <fauna/models/jamba.hpp>
#include <fauna/models/lfm2.hpp>
#include <fauna/models/qwen3_moe.hpp>
#include <fauna/models/recurrent_gemma.hpp>
#include <fauna/models/samba.hpp>
#include <tools/src/directory.hpp>

#include "../support/config_files.hpp"
#include "../support/temporary.hpp"

namespace test_families_hybrid {

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
  back(Granite4HMicro::config, [](auto& c) { c.qkv_bias = c.out_bias = c.mixer_bias = true, c.conv_bias = false; });
  back(Granite4HTiny::config, [](auto& c) { c.layers = 7, c.mixers = "mammama", c.mixer_groups = 3, c.states = 5; });
  back(Granite4HSmall::config, [](auto& c) {
    c.turned = 1, c.base = 500, c.scaling = {.kind = rope_scaling::linear, .factor = 3}, c.mixers = "a";
  });
  back(Lfm2Shakespeare::config, [](auto& c) { c.mixers = "a", c.taps = 4, c.conv_bias = true; });
  back(Lfm2_1_2B::config, [](auto& c) { c.hidden = 777, c.tied = false, c.base = 3; });
  back(RecurrentGemmaShakespeare::config, [](auto& c) { c.channels = 256, c.taps = 2, c.qkv_bias = true; });
  back(RecurrentGemma2B::config, [](auto& c) { c.mixers = "wr", c.turned = 0.25, c.logit_cap = 7, c.tied = false; });
  back(SambaShakespeare::config, [](auto& c) { c.turned = 0, c.qkv_bias = c.out_bias = c.mlp_bias = true; });
  back(Samba421M::config, [](auto& c) { c.mixers = "mwma", c.kv_heads = 3, c.turned = 0.5, c.tied = false; });
  back(Samba1_3B::config, [](auto& c) { c.mixers = "mammma", c.window = unbounded; });
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

  const GraniteHybridConfig granite = Granite4HTiny::config;
  refused(granite, {{"layer_types", {"mamba"}}}, "a list of 40 words");
  refused(granite, {{"layer_types", std::vector<std::string>(40, "conv")}},
          "attention, full_attention, linear_attention");
  refused(granite, {{"position_embedding_type", "alibi"}}, "= \"alibi\", expected one of nope, rope");
  refused(granite, {{"mamba_n_heads", 47}}, "mamba_expand times 1536 columns");
  refused(granite, {{"mamba_n_groups", 5}}, "a number that divides the 48 heads");
  refused(granite, {{"num_experts_per_tok", 65}}, "at most num_local_experts, 64");
  refused(granite, {{"time_step_limit", {0.0, 1.0}}}, "time_step_limit = [0.0,1.0]");
  refused(granite, {{"normalization_function", "layernorm"}}, "normalization_function = \"layernorm\"");

  const Lfm2Config lfm2 = Lfm2_1_2B::config;
  refused(lfm2, {{"full_attn_idxs", {1, 2}}}, "the layers that layer_types calls full_attention");
  refused(lfm2, {{"full_attn_idxs", {16}}}, "a list of numbers from 0 to below 16");
  refused(lfm2, {{"conv_dim", 1024}}, "conv_dim = 1024");
  refused(lfm2, {{"block_use_swiglu", false}}, "block_use_swiglu = false");
  refused(lfm2, {{"block_norm_eps", 1e-6}}, "the same as norm_eps");

  const RecurrentGemmaConfig gemma = RecurrentGemma2B::config;
  refused(gemma, {{"block_types", {"recurrent", "conv"}}}, "a list of attention, recurrent");
  refused(gemma, {{"embeddings_scale_by_sqrt_dim", false}}, "embeddings_scale_by_sqrt_dim = false");
  refused(gemma, {{"hidden_activation", "silu"}}, "hidden_activation = \"silu\"");
  refused(gemma, {{"intermediate_size", 777}}, "an even number: of gate and up together");
  refused(gemma, {{"lru_width", 777}}, "a number that the 10 heads divide");

  const SambaConfig samba = Samba421M::config;
  refused(samba, {{"attn_layer_pos", "[1, 12]"}}, "a list of layers, 0 to below 12");
  refused(samba, {{"attn_layer_pos", "range(3)"}}, "a list of layers, 0 to below 12");
  refused(samba, {{"sc_attn", true}}, "sc_attn = true");
  refused(samba, {{"gla_per_layer", 2}}, "gla_per_layer = 2");
  refused(samba, {{"_mlp_class", "GptNeoxMLP"}}, "_mlp_class = \"GptNeoxMLP\"");
  refused(samba, {{"n_query_groups", 5}}, "a number that divides the 12 heads");
  SambaConfig mixed = samba;
  mixed.mixers = "wam";
  CHECK_THROWS_WITH_AS(through_file(mixed), doctest::Contains("attention without a window in the last of each"), error);
}

TEST_CASE("Samba's authors' lit_config.json is read as it is") {
  TemporaryFolder folder;
  tool::Config::Json json{{"org", "Microsoft"},
                          {"name", "Samba_421M"},
                          {"block_size", 4096},
                          {"vocab_size", 31990},
                          {"padding_multiple", 64},
                          {"padded_vocab_size", nullptr},
                          {"mb_per_layer", 2},
                          {"ret_per_layer", -1},
                          {"n_layer", 12},
                          {"n_head", 12},
                          {"n_embd", 1536},
                          {"rotary_percentage", 1.0},
                          {"parallel_residual", false},
                          {"bias", false},
                          {"_norm_class", "FusedRMSNorm"},
                          {"_mlp_class", "LLaMAMLP"},
                          {"intermediate_size", 4096},
                          {"local_window", 2048},
                          {"full_per_layer", 1000000},
                          {"attn_layer_pos", nullptr},
                          {"mamba_init", true}};
  write_file(folder / "config.json", json.dump());
  CHECK(tool::read_config(folder.path()).model->line() == to_text(Samba421M::config));
}

TEST_CASE("LFM2's files say the MLP's columns in the trainer's way too") {
  const auto hidden = [](tool::Config::Json const& changes) {
    TemporaryFolder folder;
    auto json = tool::checkpoint_model("a checkpoint", to_text(Lfm2_1_2B::config))->config_json();
    json.update(changes);
    write_file(folder / "config.json", json.dump());
    return config_from<Lfm2Config>(tool::read_config(folder.path()).model->line()).hidden;
  };
  CHECK(hidden(tool::Config::Json::object()) == 8192);
  CHECK(hidden({{"block_ff_dim", 12288}, {"block_auto_adjust_ff_dim", true}}) == 8192);
  CHECK(hidden({{"block_ff_dim", 6656}, {"block_auto_adjust_ff_dim", true}}) == 4608);
  CHECK(hidden({{"block_ff_dim", 1000}, {"block_auto_adjust_ff_dim", true}, {"block_ffn_dim_multiplier", nullptr}}) ==
        666);
  CHECK(hidden({{"block_ff_dim", 1000},
                {"block_auto_adjust_ff_dim", true},
                {"block_ffn_dim_multiplier", 1.5},
                {"block_multiple_of", 100}}) == 1000);
  CHECK(hidden({{"block_ff_dim", 10752}}) == 10752);
}

TEST_CASE("a mixture of experts is known as one, whatever its family") {
  const auto experts = [](auto const& c) {
    return tool::checkpoint_model("a checkpoint", to_text(c))->described().experts;
  };
  CHECK(experts(JambaShakespeare::config));
  CHECK(experts(Qwen3MoeShakespeare::config));
  CHECK_FALSE(experts(Granite4HMicro::config));
  CHECK_FALSE(experts(Lfm2Shakespeare::config));
}

}  // namespace test_families_hybrid
