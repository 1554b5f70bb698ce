// Families with recurrences beside attention: their configs through a config.json and back, and what they refuse.
#include <doctest/doctest.h>

#include <fauna/models/falcon_h1.hpp>
#include <fauna/models/kimi_linear.hpp>
#include <fauna/models/qwen3_5.hpp>
#include <fauna/models/zamba2.hpp>
#include <tools/src/directory.hpp>

#include "../support/config_files.hpp"
#include "../support/temporary.hpp"

namespace test_families_recurrent {

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

TEST_CASE("a model that sees has Qwen3.5 within, and its weights within those of another") {
  const auto config = Qwen35_35B_A3B::config;
  const auto text = tool::checkpoint_model("a checkpoint", to_text(config))->config_json();
  const auto of_whole = [&](tool::Config::Json const& changes) {
    tool::Config::Json json{{"model_type", "qwen3_5_moe"}, {"architectures", {"Qwen3_5MoeForConditionalGeneration"}},
                            {"text_config", text},         {"vision_config", {{"depth", 27}}},
                            {"image_token_id", 248056},    {"tie_word_embeddings", false}};
    json.merge_patch(changes);
    TemporaryFolder folder;
    write_file(folder / "config.json", json.dump());
    return tool::read_config(folder.path()).model->line();
  };
  CHECK(of_whole(tool::Config::Json::object()) == to_text(config));
  CHECK_THROWS_WITH_AS(of_whole({{"tie_word_embeddings", true}}), doctest::Contains("tie_word_embeddings = false"),
                       error);
  CHECK_THROWS_WITH_AS(of_whole({{"speed", 3}}), doctest::Contains("speed = 3, expected no such field"), error);
  CHECK_THROWS_WITH_AS(of_whole({{"text_config", {{"model_type", "qwen3"}}}}),
                       doctest::Contains("text_config.model_type = \"qwen3\""), error);
  CHECK_THROWS_WITH_AS(of_whole({{"model_type", "qwen9"}}), doctest::Contains("model_type = \"qwen9\""), error);

  using Model =
      Qwen35Moe<Qwen35MoeConfig{{.layers = 1, .heads = 2, .kv_heads = 2, .head_size = 4, .width = 8, .vocab = 5},
                                {.mixers = "a", .mlps = "e"},
                                {.experts = 2, .chosen = 2, .expert_hidden = 4, .shared_hidden = 4},
                                {.rule_heads = 2, .key_heads = 1, .keys = 4, .values = 4}}>;
  Model::Weights<All<float>> w;
  int seen = 0;
  Model::visit(w, Place{}, [&](Tensor const& t, auto&) {
    if (t.name() != "model.layers.0.mlp.experts.1.up_proj.weight") return;
    ++seen;
    CHECK(pieces_of(t, &Model::dialects[2])[0].name == "model.language_model.layers.0.mlp.experts.1.up_proj.weight");
    CHECK(pieces_of(t, &Model::dialects[3])[0].name == "model.language_model.layers.0.mlp.experts.gate_up_proj");
  });
  CHECK(seen == 1);
}

TEST_CASE("Kimi Linear comes back from its config.json, and says what it has not") {
  KimiLinearConfig c = KimiLinear_48B_A3B::config;
  CHECK(through_file(c) == to_text(c));
  // As the hub has it, with numbers of layers that count from 1.
  const auto on_hub = [&c](tool::Config::Json changes) {
    auto json = tool::checkpoint_model("a checkpoint", to_text(c))->config_json();
    for (const char* field : {"layer_types", "mlp_layer_types", "linear_num_heads", "linear_head_dim"})
      json.erase(field);
    std::vector<int> rules;
    for (int l = 1; l < 27; ++l)
      if (l % 4 != 0) rules.push_back(l);
    json["linear_attn_config"] = {{"full_attn_layers", {4, 8, 12, 16, 20, 24, 27}},
                                  {"kda_layers", rules},
                                  {"head_dim", 128},
                                  {"num_heads", 32},
                                  {"short_conv_kernel_size", 4}};
    json.update({{"head_dim", 72}, {"mla_use_nope", true}, {"first_k_dense_replace", 1}, {"moe_layer_freq", 1}});
    json.merge_patch(changes);
    TemporaryFolder folder;
    write_file(folder / "config.json", json.dump());
    return tool::read_config(folder.path()).model->line();
  };
  CHECK(on_hub(tool::Config::Json::object()) == to_text(c));
  const auto refused_on_hub = [&](tool::Config::Json const& changes, const char* what) {
    CHECK_THROWS_WITH_AS(on_hub(changes), doctest::Contains(what), error);
  };
  refused_on_hub({{"linear_attn_config", {{"kda_layers", {1, 2}}}}}, "kda_layers = [1,2], expected layer 3 in it");
  refused_on_hub({{"linear_attn_config", {{"full_attn_layers", {1, 8}}}}}, "each in one list");
  refused_on_hub({{"linear_attn_config", {{"full_attn_layers", {28}}}}}, "numbers of layers, 1 to 27");
  refused_on_hub({{"linear_attn_config", {{"gate_lower_bound", -5}}}}, "gate_lower_bound = -5, expected no such field");
  refused_on_hub({{"mla_use_nope", false}}, "mla_use_nope = false");
  refused_on_hub({{"moe_router_activation_func", "softmax"}}, "moe_router_activation_func = \"softmax\"");
  refused_on_hub({{"num_nextn_predict_layers", 1}}, "num_nextn_predict_layers = 1");
  refused_on_hub({{"moe_layer_freq", 2}}, "moe_layer_freq = 2");
  refused_on_hub({{"first_k_dense_replace", 28}}, "first_k_dense_replace = 28, expected a whole number, 0 to 27");

  c.layers = 3, c.mixers = "kak", c.mlps = "dee", c.groups = 8, c.kept_groups = 2, c.query_rank = 64, c.taps = 3;
  CHECK(through_file(c) == to_text(c));
  refused(c, {{"num_expert_group", 7}}, "num_expert_group = 7, expected a number that divides the 256 experts");
  refused(c, {{"topk_group", 9}}, "topk_group = 9, expected at most the 8 groups");
  refused(c, {{"mlp_layer_types", {"dense"}}}, "a list of 3 words");
  refused(c, {{"rope_speed", 3}}, "rope_speed = 3, expected no such field");
}

TEST_CASE("transformers writes Kimi Linear's first MLPs under the experts' name") {
  using Model = KimiLinear<KimiLinearConfig{{.layers = 2, .heads = 2, .width = 8, .hidden = 12, .vocab = 5},
                                            {.mixers = "ka", .mlps = "de"},
                                            {.experts = 2, .chosen = 2, .expert_hidden = 4, .shared_hidden = 4},
                                            {.rank = 4, .nope = 4, .rope = 2, .value = 4},
                                            {.rule_heads = 2, .rule_size = 4}}>;
  Model::Weights<All<float>> w;
  int seen = 0;
  Model::visit(w, Place{}, [&](Tensor const& t, auto&) {
    if (t.name() != "model.layers.0.mlp.up_proj.weight") return;
    ++seen;
    CHECK(pieces_of(t, &Model::dialects[0])[0].name == t.name());
    CHECK(pieces_of(t, &Model::dialects[1])[0].name == "model.layers.0.block_sparse_moe.up_proj.weight");
  });
  CHECK(seen == 1);
}

TEST_CASE("Zamba2 comes back from its config.json, and says what it has not") {
  Zamba2Config c = Zamba2_1_2B::config;
  CHECK(through_file(c) == to_text(c));
  c.layers = 5, c.mixers = "mAmBA", c.blocks = 2, c.groups = 2, c.positions = c.attention_adapters = false;
  CHECK(through_file(c) == to_text(c));
  c.mixers = "mAmAB";
  CHECK_THROWS_WITH_AS(through_file(c), doctest::Contains("shared blocks that take turns"), error);
  c.mixers = "mAmBA";

  refused(c, {{"num_mem_blocks", 4}}, "num_mem_blocks = 4, expected at most 9, and at most the 3 hybrid layers");
  refused(c, {{"layers_block_type", {"mamba"}}}, "a list of 5 words");
  refused(c, {{"layers_block_type", {"mamba", "attention", "mamba", "mamba", "mamba"}}}, "a list of hybrid");
  refused(c, {{"hybrid_layer_ids", {1, 2}}}, "hybrid_layer_ids = [1,2], expected [1,3,4]");
  refused(c, {{"num_key_value_heads", 4}}, "num_key_value_heads = 4");
  refused(c, {{"add_bias_linear", true}}, "add_bias_linear = true");
  refused(c, {{"use_long_context", true}}, "use_long_context = true");
  refused(c, {{"use_conv_bias", false}}, "use_conv_bias = false");
  refused(c, {{"mamba_ngroups", 3}}, "mamba_ngroups = 3, expected a number that divides the 64 heads");
  refused(c, {{"mamba_speed", 3}}, "mamba_speed = 3, expected no such field");
}

}  // namespace test_families_recurrent
