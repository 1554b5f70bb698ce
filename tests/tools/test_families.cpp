// A config, written as the reference library's config.json and read back, through the families that registered.
#include <doctest/doctest.h>

#include <fauna/models/deepseek.hpp>
#include <fauna/models/falcon_mamba.hpp>
#include <fauna/models/glm4_moe.hpp>
#include <fauna/models/gpt.hpp>
#include <fauna/models/gpt_neox.hpp>
#include <fauna/models/gpt_oss.hpp>
#include <fauna/models/linear_lm.hpp>
#include <fauna/models/llama.hpp>
#include <fauna/models/llama4.hpp>
#include <fauna/models/mamba.hpp>
#include <fauna/models/mamba2.hpp>
#include <fauna/models/mixtral.hpp>
#include <fauna/models/olmoe.hpp>
#include <fauna/models/qwen2_moe.hpp>
#include <fauna/models/qwen3_moe.hpp>
#include <fauna/models/rwkv4.hpp>
#include <fauna/models/rwkv5.hpp>
#include <fauna/models/rwkv6.hpp>
#include <fauna/models/rwkv7.hpp>
#include <fauna/models/switch_lm.hpp>
#include <tools/src/directory.hpp>

#include "../support/config_files.hpp"
#include "../support/source_dir.hpp"
#include "../support/temporary.hpp"

namespace test_families {

namespace {

using namespace fauna;
using test::through_file;

/// A family that this file adds, as a file in tools/src/families/ would: without a context, dropout and flags of its
/// own.
struct Toy {
  struct config {
    int vocab = 5, wheels = 2;
    static constexpr ConfigNames names{"toyline", "toys::Toy", "toys::Config", "toys/toy.hpp", "table", "head"};
    template <class C, class F> static constexpr void each(C& c, F&& f) { f("vocab", c.vocab), f("wheels", c.wheels); }
  };
  static constexpr const char *model_type = "toy", *causal = "ToyForCausalLM", *headless = "ToyModel";
  static std::vector<std::pair<const char*, config>> presets() { return {{"toy-3", {.wheels = 3}}}; }
  static config read(tool::Config& c) { return {.vocab = c.whole("vocab_size"), .wheels = c.whole("wheels")}; }
  static tool::Config::Json write(config const& c) {
    return {
        {"model_type", "toy"}, {"architectures", {"ToyForCausalLM"}}, {"vocab_size", c.vocab}, {"wheels", c.wheels}};
  }
};
const tool::Registered<Toy> registered;

}  // namespace

TEST_CASE("a family is a struct and a line that registers it") {
  const auto toy = tool::preset("toy-3");
  REQUIRE(toy != nullptr);
  CHECK(toy->line() == "toyline vocab=5 wheels=3");
  CHECK(toy->described().type == "toys::Toy<toys::Config{.vocab = 5, .wheels = 3}>");
  CHECK(toy->described().includes == std::vector<std::string>{"toys/toy.hpp"});
  CHECK(toy->context() == unbounded);
  CHECK_FALSE(toy->structure().has_value());
  CHECK(through_file(Toy::config{.vocab = 7, .wheels = 4}) == "toyline vocab=7 wheels=4");
  CHECK(toy->tied());
  CHECK_FALSE(toy->untie());
  toy->set_vocab(9);
  CHECK(toy->line() == "toyline vocab=9 wheels=3");
  CHECK(tool::preset("toy-3")->line() == "toyline vocab=5 wheels=3");  // a preset stays as it is
  CHECK(tool::preset_names().find("toy-3") != std::string::npos);
  CHECK(tool::preset("toy-4") == nullptr);
  CHECK_THROWS_WITH_AS(tool::checkpoint_model("a.safetensors", "bicycle wheels=2"),
                       doctest::Contains("begins with one of bloom, cohere2, "), error);
}

TEST_CASE("a second family of one name is an error") {
  CHECK_THROWS_WITH_AS(tool::Registered<Toy>{}, doctest::Contains("toy twice"), error);
}

TEST_CASE("every family has a preset for characters, and a config.json for it") {
  for (auto const& entry : tool::families()) {
    std::string const& type = entry.first;  // no structured binding: clang 14 captures none
    auto const& family = entry.second;
    // kimi_k2 is DeepSeek-V3's form by another name; nanoGPT's model has no biases, its config.json has zeros
    if (type == "toy" || type == "kimi_k2" || type == "gpt2") continue;
    CAPTURE(type);
    int small = 0;
    for (auto const& [name, model] : family.presets) {
      if (name.find("shakespeare") == std::string::npos) continue;
      ++small;
      TemporaryFolder folder;
      write_file(folder / "config.json", model->config_json().dump());
      CHECK(tool::read_config(folder.path()).model->line() == model->line());
    }
    CHECK(small > 0);
  }
}

TEST_CASE("every member of a config comes back from its config.json") {
  GptConfig gpt{.layers = 2, .heads = 3, .width = 24, .context = 32, .vocab = 29};
  gpt.dropout = 0.1F;
  for (const activation act : {activation::gelu, activation::gelu_tanh}) {
    gpt.act = act;
    CHECK(through_file(gpt) == to_text(gpt));
  }

  LlamaConfig llama{.layers = 2, .heads = 4, .kv_heads = 2, .head_size = 6, .width = 26, .hidden = 40, .context = 32};
  CHECK(through_file(llama) == to_text(llama));
  llama.vocab = 29;
  llama.base = 500000.5;
  llama.tied = true;
  llama.epsilon = 1e-6F;
  llama.scaling = {.kind = rope_scaling::linear, .factor = 2.5};
  llama.attention_bias = true;
  CHECK(through_file(llama) == to_text(llama));
  llama.scaling = {.kind = rope_scaling::llama3, .factor = 8, .low = 1.5, .high = 3, .original = 16};
  llama.attention_bias = false;
  llama.mlp_bias = true;
  for (const activation act : {activation::silu, activation::relu, activation::relu_squared, activation::gelu}) {
    llama.act = act;
    CHECK(through_file(llama) == to_text(llama));
  }

  CHECK(through_file(MixtralShakespeare::config) == to_text(MixtralShakespeare::config));
  CHECK(through_file(Qwen3MoeShakespeare::config) == to_text(Qwen3MoeShakespeare::config));
  Qwen2MoeConfig qwen2_moe = Qwen15Moe_A2_7B::config;
  qwen2_moe.dense = 2;
  qwen2_moe.qkv_bias = false;
  CHECK(through_file(qwen2_moe) == to_text(qwen2_moe));
  DeepseekV2Config deepseek_v2 = DeepseekV2Lite::config;
  CHECK(through_file(deepseek_v2) == to_text(deepseek_v2));
  deepseek_v2.query_rank = 24;
  deepseek_v2.groups = 8;
  deepseek_v2.kept_groups = 3;
  CHECK(through_file(deepseek_v2) == to_text(deepseek_v2));
  CHECK(through_file(DeepseekV3Shakespeare::config) == to_text(DeepseekV3Shakespeare::config));
  DeepseekV3Config deepseek_v3 = DeepseekV3_671B::config;
  deepseek_v3.value = 96;
  deepseek_v3.rank = 256;
  CHECK(through_file(deepseek_v3) == to_text(deepseek_v3));
  // What predicts further tokens is for training and for drafts; else it is passed over.
  deepseek_v3.further = 1;
  TemporaryFolder predicting;
  write_file(predicting / "config.json",
             tool::checkpoint_model("a checkpoint", to_text(deepseek_v3))->config_json().dump(2));
  CHECK(tool::read_config(predicting.path(), {.training = true}).model->line() == to_text(deepseek_v3));
  const auto drafting = tool::read_config(predicting.path(), {.further = true}).model;
  CHECK(drafting->line() == to_text(deepseek_v3));
  CHECK(drafting->further() == 1);
  CHECK(drafting->layers() == 61);
  deepseek_v3.further = 0;
  CHECK(tool::read_config(predicting.path()).model->line() == to_text(deepseek_v3));
  Glm4MoeConfig glm4_moe = Glm45Air::config;
  glm4_moe.groups = 4;
  glm4_moe.kept_groups = 2;
  glm4_moe.weight_scale = 2.5F;
  glm4_moe.renormalised = false;
  CHECK(through_file(glm4_moe) == to_text(glm4_moe));
  SwitchLmConfig with_capacity = SwitchShakespeare::config;
  with_capacity.capacity = 2;
  with_capacity.tied = false;
  CHECK(through_file(with_capacity) == to_text(with_capacity));
  GptOssConfig gpt_oss = GptOss20B::config;
  CHECK(through_file(gpt_oss) == to_text(gpt_oss));
  gpt_oss.window = 64;
  gpt_oss.gate_limit = 5;
  gpt_oss.gate_slope = 1.5F;
  gpt_oss.scaling = {};
  gpt_oss.qkv_bias = gpt_oss.out_bias = false;
  CHECK(through_file(gpt_oss) == to_text(gpt_oss));
  CHECK(through_file(Llama4Scout::config) == to_text(Llama4Scout::config));
  Llama4Config llama4 = Llama4Maverick::config;
  CHECK(through_file(llama4) == to_text(llama4));
  llama4.full_every = 3;
  llama4.window = unbounded;
  llama4.growth = 0;
  llama4.hidden = 77;
  llama4.qkv_bias = llama4.out_bias = true;
  CHECK(through_file(llama4) == to_text(llama4));
  OlmoeConfig olmoe = OlmoeShakespeare::config;
  olmoe.renormalised = true;
  olmoe.z = 0.25F;
  CHECK(through_file(olmoe) == to_text(olmoe));
  Rwkv7Config rwkv{.layers = 3, .heads = 2, .width = 32, .hidden = 120, .decay = 8, .learning = 6};
  rwkv.value = 4;
  rwkv.gate = 10;
  rwkv.vocab = 40;
  CHECK(through_file(rwkv) == to_text(rwkv));
  rwkv.heads = 3;
  CHECK_THROWS_WITH_AS(through_file(rwkv), doctest::Contains("a number that divides the width of 32"), error);
  rwkv.heads = 2;
  rwkv.layers = 1;
  CHECK_THROWS_WITH_AS(through_file(rwkv), doctest::Contains("num_hidden_layers = 1, expected 2 or more"), error);

  rwkv.layers = 3;
  const auto fla = [&](tool::Config::Json const& more) {
    TemporaryFolder folder;
    auto json = tool::checkpoint_model("a checkpoint", to_text(rwkv))->config_json();
    json.erase("num_heads");
    json.erase("intermediate_size");
    json.update({{"head_dim", 64}, {"hidden_ratio", 4.0}, {"attn", nullptr}, {"attn_mode", "chunk"}});
    json.update({{"fuse_norm", true}, {"norm_first", true}, {"value_dim", {128, 128, 128}}});
    json.update(more);
    write_file(folder / "config.json", json.dump(2));
    return tool::read_config(folder.path()).model->line();
  };
  rwkv.width = 128;
  rwkv.hidden = 512;
  CHECK(fla(tool::Config::Json::object()) == to_text(rwkv));
  CHECK_THROWS_WITH_AS(fla({{"head_dim", 32}}), doctest::Contains("head_dim = 32, expected 64"), error);
  CHECK_THROWS_WITH_AS(fla({{"value_dim", {128, 64, 128}}}), doctest::Contains("the width of 128"), error);
  CHECK_THROWS_WITH_AS(fla({{"attn", {{"layers", {1}}}}}), doctest::Contains("layers of attention"), error);
  CHECK_THROWS_WITH_AS(fla({{"norm_first", false}}), doctest::Contains("norm_first"), error);

  FalconMambaConfig falcon{.layers = 3, .width = 32, .inner = 96, .states = 5, .rank = 7, .taps = 3, .vocab = 29};
  CHECK(through_file(falcon) == to_text(falcon));
  falcon.tied = true;
  falcon.epsilon = 1e-6F;
  falcon.mixer_epsilon = 1e-3F;
  falcon.bias = true;
  CHECK(through_file(falcon) == to_text(falcon));
  MambaConfig mamba{.layers = 3, .width = 32, .inner = 96, .states = 5, .rank = 7, .taps = 3, .vocab = 29};
  mamba.bias = true;
  CHECK(through_file(mamba) == to_text(mamba));

  Mamba2Config mamba2{.layers = 3, .width = 32, .heads = 6, .head_size = 16, .states = 24, .groups = 3, .taps = 3};
  CHECK(through_file(mamba2) == to_text(mamba2));
  mamba2.vocab = 29;
  mamba2.tied = false;
  mamba2.epsilon = 1e-6F;
  mamba2.bias = true;
  mamba2.conv_bias = false;
  CHECK(through_file(mamba2) == to_text(mamba2));
  mamba2.gate_first = false;  // as mamba_ssm has it
  CHECK(through_file(mamba2) == to_text(mamba2));
  for (mamba2.groups = 4; mamba2.heads == 6; mamba2.gate_first = true, ++mamba2.heads)
    CHECK_THROWS_WITH_AS(through_file(mamba2), doctest::Contains("a number that divides the 6 heads"), error);
  CHECK_THROWS_WITH_AS(through_file(mamba2), doctest::Contains("expand times 32 columns"), error);

  Rwkv4Config rwkv4{.layers = 3, .width = 32, .hidden = 120, .vocab = 40};
  CHECK(through_file(rwkv4) == to_text(rwkv4));
  rwkv4.layers = 1;
  CHECK_THROWS_WITH_AS(through_file(rwkv4), doctest::Contains("num_hidden_layers = 1, expected 2 or more"), error);

  Rwkv5Config rwkv5{.layers = 3, .heads = 2, .width = 32, .hidden = 120, .divisor = 3, .vocab = 40};
  CHECK(through_file(rwkv5) == to_text(rwkv5));
  Rwkv6Config rwkv6{.layers = 3, .heads = 2, .width = 32, .hidden = 120, .mix = 4, .decay = 6};
  CHECK(through_file(rwkv6) == to_text(rwkv6));
  rwkv6.heads = 3;  // a head of 10 columns
  CHECK_THROWS_WITH_AS(through_file(rwkv6), doctest::Contains("a number that divides the width of 32"), error);
  rwkv5.layers = 1;
  CHECK_THROWS_WITH_AS(through_file(rwkv5), doctest::Contains("num_hidden_layers = 1, expected 2 or more"), error);

  GptNeoXConfig neox{.layers = 2, .heads = 3, .hidden = 40, .context = 32, .vocab = 29, .epsilon = 1e-6F};
  neox.parallel = false;
  neox.tied = true;
  neox.act = activation::gelu_tanh;
  neox.base = 77;
  for (int size = 2; size <= 160; size += 2)
    for (neox.rotary = 2; neox.rotary <= size; neox.rotary += 2) {  // in the file it is a part of the head
      neox.width = neox.heads * size;
      CHECK(through_file(neox) == to_text(neox));
    }
  neox.rotary = 162;
  CHECK_THROWS_WITH_AS(through_file(neox), doctest::Contains("no more rotary columns"), error);
  neox.rotary = 2;
  neox.width = 2;  // of three heads
  CHECK_THROWS_WITH_AS(through_file(neox), doctest::Contains("heads that divide the width"), error);

  const LinearLmConfig linear{.mixer = mixing::kda, .heads = 3, .keys = 5, .values = 7, .width = 24, .epsilon = 1e-6F};
  CHECK(through_file(linear) == to_text(linear));
}

TEST_CASE("mamba_ssm's own config.json") {
  TemporaryFolder folder;
  const auto line = [&](std::string const& config) {
    write_file(folder / "config.json", config);
    return tool::read_config(folder.path()).model->line();
  };
  // As the first checkpoints of both have it.
  CHECK(line(R"({"d_model": 768, "n_layer": 24, "vocab_size": 50277, "ssm_cfg": {}, "rms_norm": true,
                 "residual_in_fp32": true, "fused_add_norm": true, "pad_vocab_size_multiple": 8})") ==
        to_text(Mamba_130M::config));
  CHECK(
      line(R"({"d_model": 768, "d_intermediate": 0, "n_layer": 24, "vocab_size": 50277, "ssm_cfg": {"layer": "Mamba2"},
                 "attn_layer_idx": [], "attn_cfg": {}, "rms_norm": true, "residual_in_fp32": true,
                 "fused_add_norm": true, "pad_vocab_size_multiple": 16, "tie_embeddings": true})") ==
      to_text(Mamba2_130M::config));
  MambaConfig first{.layers = 2, .width = 24, .inner = 72, .states = 5, .rank = 4, .taps = 3, .vocab = 32};
  first.epsilon = 1e-6F;
  first.bias = true;
  CHECK(line(R"({"d_model": 24, "n_layer": 2, "vocab_size": 29, "norm_epsilon": 1e-6, "ssm_cfg": {"d_state": 5,
                 "d_conv": 3, "expand": 3, "dt_rank": 4, "bias": true}})") == to_text(first));

  // Beside PyTorch's own file of weights, in which the tied head stands too.
  CHECK(tool::read_config(test::source_path("tests/golden/torch/mamba2")).model->line() ==
        to_text(Mamba2Config{.layers = 2, .width = 24, .heads = 6, .head_size = 8, .states = 5, .vocab = 29}));

  const auto refused = [&](std::string const& more, std::string const& ssm, const char* what) {
    CAPTURE(what);
    CHECK_THROWS_WITH_AS(
        line(R"({"d_model": 24, "n_layer": 2, "vocab_size": 29, )" + more + R"("ssm_cfg": {)" + ssm + "}}"),
        doctest::Contains(what), error);
  };
  refused(R"("attn_layer_idx": [1], )", "", "attn_layer_idx = [1], expected []");
  refused(R"("d_intermediate": 64, )", "", "d_intermediate = 64");
  refused(R"("rms_norm": false, )", "", "rms_norm = false");
  refused(R"("tie_embeddings": false, )", "", "tie_embeddings = false");
  refused("", R"("layer": "Mamba3")", "ssm_cfg.layer = \"Mamba3\", expected one of Mamba1, Mamba2");
  refused("", R"("conv_bias": false)", "ssm_cfg.conv_bias = false");
  refused("", R"("layer": "Mamba2", "headdim": 36)", "a number that divides the 48 columns");
  refused("", R"("layer": "Mamba2", "headdim": 8, "ngroups": 4)", "a number that divides the 6 heads");
  refused("", R"("layer": "Mamba2", "headdim": 8, "rmsnorm": false)", "ssm_cfg.rmsnorm = false");
  refused("", R"("layer": "Mamba2", "headdim": 8, "d_ssm": 40)", "ssm_cfg.d_ssm = 40, expected 48");
  refused("", R"("layer": "Mamba2", "headdim": 8, "D_has_hdim": true)", "ssm_cfg.D_has_hdim = true");
  refused("", R"("layer": "Mamba2", "headdim": 8, "dt_limit": [0.0, 0.5])", "ssm_cfg.dt_limit = [0.0,0.5]");
  refused("", R"("layer": "Mamba2", "headdim": 8, "speed": 3)", "no such field for Mamba2");
  write_file(folder / "config.json", R"({"d_model": 24, "n_layer": 2, "vocab_size": 29})");
  CHECK_THROWS_WITH_AS(tool::read_config(folder.path()), doctest::Contains("ssm_cfg = nothing"), error);
}

TEST_CASE("a limit that is infinite, as Python writes it and as JSON can") {
  TemporaryFolder folder;
  const auto line = [&](std::string const& limit) {
    write_file(folder / "config.json",
               R"({"model_type": "mamba2", "num_hidden_layers": 2, "hidden_size": 24, "num_heads": 6, "head_dim": 8,
                   "n_groups": 1, "vocab_size": 29, "_name_or_path": "\"Infinity\\", "time_step_limit": )" +
                   limit + "}");
    return tool::read_config(folder.path()).model->line();
  };
  CHECK(line("[0.0, Infinity]") == line(R"([0.0, {"__float__": "Infinity"}])"));
  CHECK_THROWS_WITH_AS(line("[0.0, 0.1]"), doctest::Contains("time_step_limit = [0.0,0.1]"), error);
}

}  // namespace test_families
