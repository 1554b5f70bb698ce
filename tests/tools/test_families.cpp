// A config, written as the reference library's config.json and read back, through the families that registered.
#include <doctest/doctest.h>

#include <cstdlib>
#include <fauna/models/bloom.hpp>
#include <fauna/models/cohere2.hpp>
#include <fauna/models/deepseek.hpp>
#include <fauna/models/exaone4.hpp>
#include <fauna/models/falcon.hpp>
#include <fauna/models/falcon_mamba.hpp>
#include <fauna/models/gemma.hpp>
#include <fauna/models/gemma2.hpp>
#include <fauna/models/gemma3.hpp>
#include <fauna/models/glm4.hpp>
#include <fauna/models/glm4_moe.hpp>
#include <fauna/models/gpt.hpp>
#include <fauna/models/gpt_neox.hpp>
#include <fauna/models/gptj.hpp>
#include <fauna/models/granite.hpp>
#include <fauna/models/linear_lm.hpp>
#include <fauna/models/llama.hpp>
#include <fauna/models/mamba.hpp>
#include <fauna/models/mamba2.hpp>
#include <fauna/models/mistral.hpp>
#include <fauna/models/mixtral.hpp>
#include <fauna/models/mpt.hpp>
#include <fauna/models/nemotron.hpp>
#include <fauna/models/olmo.hpp>
#include <fauna/models/olmo2.hpp>
#include <fauna/models/olmoe.hpp>
#include <fauna/models/opt.hpp>
#include <fauna/models/phi.hpp>
#include <fauna/models/phi3.hpp>
#include <fauna/models/qwen2.hpp>
#include <fauna/models/qwen2_moe.hpp>
#include <fauna/models/qwen3.hpp>
#include <fauna/models/qwen3_moe.hpp>
#include <fauna/models/rwkv4.hpp>
#include <fauna/models/rwkv5.hpp>
#include <fauna/models/rwkv6.hpp>
#include <fauna/models/rwkv7.hpp>
#include <fauna/models/smollm3.hpp>
#include <fauna/models/stablelm.hpp>
#include <fauna/models/starcoder2.hpp>
#include <tools/src/directory.hpp>

#include "../support/gguf.hpp"
#include "../support/pth.hpp"
#include "../support/source_dir.hpp"
#include "../support/temporary.hpp"

namespace {

using namespace fauna;

/// The config's line, after the way through a file.
template <class C> std::string through_file(C const& c) {
  TemporaryFolder folder;
  write_file(folder / "config.json", tool::checkpoint_model("a checkpoint", to_text(c))->config_json().dump(2));
  return tool::read_config(folder.path()).model->line();
}

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
  Glm4MoeConfig glm4_moe = Glm45Air::config;
  glm4_moe.groups = 4;
  glm4_moe.kept_groups = 2;
  glm4_moe.weight_scale = 2.5F;
  glm4_moe.renormalised = false;
  CHECK(through_file(glm4_moe) == to_text(glm4_moe));
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

TEST_CASE("every family of the common decoder comes back from its config.json") {
  const auto back = [](auto c, auto&&... changes) {
    CHECK(through_file(c) == to_text(c));
    (changes(c), ...);
    CHECK(through_file(c) == to_text(c));
  };
  const auto biased = [](auto& c) { c.qkv_bias = c.out_bias = true; };
  const auto windows = [](auto& c) { c.window = 64, c.full_every = 3; };
  const auto turned = [](auto& c) { c.turned = 0.5, c.scaling = {.kind = rope_scaling::linear, .factor = 3}; };
  back(Mistral7B_v01::config, windows, [](auto& c) { c.act = activation::relu; });
  back(Qwen25_0_5B::config, windows,
       [](auto& c) { c.scaling = {.kind = rope_scaling::yarn, .factor = 4, .high = 32, .original = 32768}; });
  back(Qwen3_0_6B::config, biased, windows);
  back(Gemma2B::config, biased);
  back(Gemma2_27B::config, biased, [](auto& c) { c.score_cap = c.logit_cap = 0, c.full_every = 5; });
  back(Gemma3_1B::config, [](auto& c) { c.window_base = 77, c.score_cap = 3.5F, c.logit_cap = 0.1F; });
  back(Phi3Mini4k::config, turned, [](auto& c) {
    c.scaling = {.kind = rope_scaling::longrope, .factor = 32, .original = 4096, .attention = 1.25};
    for (int i = 0; i < 24; ++i) c.scaling.factors[i] = 1.1F, c.scaling.short_factors[i] = 1;
  });
  back(Phi2::config, turned);
  back(Olmo1B::config, biased, [](auto& c) { c.clip = 8; });
  back(Olmo2_1B::config, biased, turned);
  back(SmolLm3_3B::config, biased, [](auto& c) { c.full_every = 3, c.mlp_bias = true; });
  back(StableLm2_1_6B::config, turned);
  back(StarCoder2_3B::config, [](auto& c) { c.qkv_bias = c.out_bias = c.mlp_bias = false; });
  back(Granite31_2B::config, biased, [](auto& c) { c.mlp_bias = true; });
  back(CommandR7B::config, biased);
  back(Glm4_9B::config, [](auto& c) { c.qkv_bias = false; });
  back(Exaone4_32B::config, [](auto& c) { c.window = c.full_every = unbounded; });
  back(Minitron4B::config, biased, [](auto& c) { c.mlp_bias = true; });
  back(GptJ6B::config, [](auto& c) { c.turned = 0.125, c.act = activation::relu, c.tied = true; });
  back(Opt1_3B::config, [](auto& c) { c.qkv_bias = c.out_bias = c.mlp_bias = false, c.hidden = 77; });
  back(Bloom560M::config, [](auto& c) { c.context = 4096, c.tied = false; });
  back(Mpt30B::config, [](auto& c) { c.score_scale = 0.25, c.clip = 6; });
  back(Falcon7B::config, [](auto& c) { c.base = 500000, c.bias = true; });
  back(Falcon40B::config, [](auto& c) { c.kv_heads = 16; });
  back(FalconRw1B::config, [](auto& c) { c.tied = false; });

  Qwen3Config half = Qwen3_0_6B::config;
  half.out_bias = true;
  CHECK_THROWS_WITH_AS(through_file(half), doctest::Contains("biases in all projections of attention, or in none"),
                       error);
}

TEST_CASE("layers that the common decoder does not have are refused by name") {
  const auto refused = [](auto const& c, tool::Config::Json const& changes, const char* what) {
    TemporaryFolder folder;
    auto json = tool::checkpoint_model("a checkpoint", to_text(c))->config_json();
    json.update(changes);
    write_file(folder / "config.json", json.dump());
    CHECK_THROWS_WITH_AS(tool::read_config(folder.path()), doctest::Contains(what), error);
  };
  Qwen2Config qwen = Qwen25_0_5B::config;
  qwen.layers = 3;
  refused(qwen, {{"use_sliding_window", true}, {"sliding_window", 9}, {"max_window_layers", 2}},
          "max_window_layers = 2");
  refused(qwen,
          {{"use_sliding_window", true},
           {"sliding_window", 9},
           {"layer_types", {"full_attention", "sliding_attention", "sliding_attention"}}},
          "layer_types = [");
  refused(qwen, {{"layer_types", {"full_attention"}}}, "a list of 3");
  refused(qwen, {{"layer_types", {"sliding_attention", "sliding_attention", "full_attention"}}},
          "without a sliding_window");
  refused(qwen, {{"head_dim", 63}}, "an even number");
  refused(qwen, {{"rope_scaling", {{"rope_type", "dynamic"}, {"factor", 4}}}}, "rope_type = \"dynamic\"");
  refused(qwen, {{"rope_scaling", {{"type", "yarn"}, {"factor", 4}, {"finetuned", true}}}}, "finetuned = true");
  refused(Phi3Mini4k::config, {{"rope_scaling", {{"type", "yarn"}, {"factor", 4}}}}, "the type longrope");
  const auto longrope = [](std::size_t pairs, int original) -> tool::Config::Json {
    const std::vector<double> factors(pairs, 1.5);
    return {{"type", "longrope"},
            {"long_factor", factors},
            {"short_factor", factors},
            {"original_max_position_embeddings", original}};
  };
  refused(Phi3Mini4k::config, {{"rope_scaling", longrope(47, 4096)}}, "of 48 numbers, one for each pair");
  refused(Phi3Mini4k::config, {{"rope_scaling", longrope(48, 2048)}}, "= 2048, expected 4096, as outside");
  refused(Phi3Mini4k::config, {{"rope_scaling", longrope(0, 4096)}}, "a list of 1 to 64 numbers above 0");
  refused(qwen, {{"logit_scale", 2}}, "logit_scale = 2, expected no such field for model_type qwen2");
  refused(Phi2::config, {{"qk_layernorm", true}}, "qk_layernorm = true");
  refused(Phi2::config, {{"partial_rotary_factor", 1.5}}, "partial_rotary_factor = 1.5, expected a part of the 80");
  refused(StableLm3B::config, {{"use_parallel_residual", true}}, "use_parallel_residual = true");
  refused(Olmo1B::config, {{"clip_qkv", -8}}, "clip_qkv = -8, expected a number above 0");
  refused(GptJ6B::config, {{"rotary_dim", 63}}, "rotary_dim = 63, expected an even number, at most the 256");
  refused(Opt125M::config, {{"do_layer_norm_before", false}}, "do_layer_norm_before = false");
  refused(Opt125M::config, {{"word_embed_proj_dim", 512}}, "word_embed_proj_dim = 512, expected 768");
  refused(Opt125M::config, {{"_remove_final_layer_norm", true}}, "_remove_final_layer_norm = true");
  refused(Bloom560M::config, {{"apply_residual_connection_post_layernorm", true}}, "post_layernorm = true");
  refused(Mpt7B::config, {{"attn_config", {{"alibi", false}}}}, "attn_config.alibi = false");
  refused(Mpt7B::config, {{"attn_config", {{"qk_ln", true}}}}, "attn_config.qk_ln = true");
  refused(Mpt7B::config, {{"attn_config", {{"speed", 3}}}}, "no such field for attention");
  refused(Mpt7B::config, {{"no_bias", false}}, "no_bias = false");
  refused(Mpt7B::config, {{"logit_scale", 2}}, "logit_scale = 2");
  refused(Falcon7B::config, {{"parallel_attn", false}}, "parallel_attn = false");
  refused(Falcon7B::config, {{"multi_query", false}}, "multi_query = false, expected true");
  refused(FalconRw1B::config, {{"multi_query", true}}, "multi_query = true, expected false");
  refused(FalconRw1B::config, {{"new_decoder_architecture", true}}, "alibi = true, expected false");
  refused(Falcon40B::config, {{"num_ln_in_parallel_attn", 1}}, "num_ln_in_parallel_attn = 1");
  refused(Falcon40B::config, {{"num_kv_heads", 5}}, "num_kv_heads = 5, expected a number that divides");
  {
    OptConfig opt = Opt125M::config;
    opt.out_bias = false;
    CHECK_THROWS_WITH_AS(through_file(opt), doctest::Contains("biases in all projections"), error);
    BloomConfig bloom = Bloom560M::config;
    bloom.act = activation::relu;
    CHECK_THROWS_WITH_AS(through_file(bloom), doctest::Contains("the activation gelu_tanh"), error);
    bloom = Bloom560M::config;
    bloom.hidden = 7;
    CHECK_THROWS_WITH_AS(through_file(bloom), doctest::Contains("4 times the width"), error);
  }
  SmolLm3Config smol = SmolLm3_3B::config;
  smol.layers = 4;
  refused(smol, {{"no_rope_layers", {1, 0, 0, 1}}}, "no_rope_layers = [1,0,0,1]");
}

TEST_CASE("weights without a config.json say what they are of") {
  const auto model = tool::model_of_weights(test::source_path("tests/golden/rwkv7.pth"));
  CHECK(model->line() == "rwkv7 layers=3 heads=2 width=32 hidden=128 decay=8 learning=6 value=4 gate=10 vocab=40");
  CHECK_FALSE(model->tied());
  CHECK_FALSE(model->untie());
  CHECK(tool::weights_alone(test::source_path("tests/golden/rwkv7.pth")));
  CHECK_FALSE(tool::weights_alone(test::source_path("tests/golden/rwkv7.safetensors")));
  CHECK_FALSE(tool::weights_alone(test::source_path("tests/golden")));
  TemporaryFolder folder;
  const auto refused = [&](std::string const& bytes, const char* what) {
    write_file(folder / "w.pth", bytes);
    CHECK_THROWS_WITH_AS(tool::model_of_weights(folder / "w.pth"), doctest::Contains(what), error);
  };
  const auto one = [](std::string const& name) {
    return test::pth_of(
        test::PickleText().raw("}").word(name).tensor("FloatStorage", "0", 4, 0, {2, 2}, {2, 1}).raw("s.").text,
        std::string(16, '\0'));
  };
  refused(one("some.weight"), "tensors of no family");
  refused(one("blocks.0.att.r_k"), "no emb.weight");
  refused(one("blocks.0.att.time_first"), "has 0 layers");
  refused(one("blocks.0.att.time_maa_x"), "no blocks.0.att.gate.weight");
  const auto line = [](const char* name) {
    return tool::model_of_weights(test::source_path(std::string("tests/golden/") + name))->line();
  };
  CHECK(line("rwkv5.pth") == "rwkv5 layers=2 heads=2 width=32 hidden=48 divisor=1 vocab=24");
  CHECK(line("rwkv6.pth") == "rwkv6 layers=2 heads=2 width=32 hidden=48 mix=4 decay=6 divisor=1 vocab=24");
  if (const char* shared = std::getenv("FAUNA_SHARED_DIR"); shared != nullptr)
    CHECK(tool::model_of_weights(std::string(shared) + "/data/rwkv/tiny-rwkv-4v0-660K-FP32.bin")->line() ==
          "rwkv4 layers=4 width=128 hidden=256 vocab=256");
  else MESSAGE("not all checked: FAUNA_SHARED_DIR is not set");
}

TEST_CASE("a GGUF file says in its keys what it is of") {
  using namespace gguf;
  TemporaryFolder folder;
  const std::string path = folder / "w.gguf";
  const auto number = [](std::string const& name, std::uint32_t n) { return key(name, u32, raw(n)); };
  const auto real = [](std::string const& name, float x) { return key(name, f32, raw(x)); };
  const std::vector<std::string> all = {key("general.architecture", string, text("llama")),
                                        number("llama.block_count", 2),
                                        number("llama.attention.head_count", 4),
                                        number("llama.attention.head_count_kv", 2),
                                        number("llama.embedding_length", 24),
                                        number("llama.feed_forward_length", 40),
                                        number("llama.context_length", 32),
                                        number("llama.rope.dimension_count", 6),
                                        real("llama.rope.freq_base", 500000),
                                        real("llama.attention.layer_norm_rms_epsilon", 1e-6F)};
  const auto model = [&](std::vector<std::string> const& keys, std::vector<std::string> names = {}) {
    names.push_back("blk.1.attn_norm.weight");
    std::string tensors = tensor("token_embd.weight", 0, {24, 29}, 0);
    std::uint64_t at = 2784;  // 29 rows of 24 numbers, and on to a multiple of 32
    for (auto const& n : names) {
      tensors += tensor(n, 0, {8}, at);
      at += 32;
    }
    std::string file = header(1 + names.size(), keys.size());
    for (auto const& k : keys) file += k;
    file = padded(file + tensors);
    write_file(path, file + std::string(at, '\0'));
    return tool::model_of_weights(path);
  };
  LlamaConfig want{.layers = 2, .heads = 4, .kv_heads = 2, .head_size = 6, .width = 24, .hidden = 40, .context = 32};
  want.vocab = 29;
  want.base = 500000;
  want.epsilon = 1e-6F;
  want.tied = true;
  CHECK(model(all)->line() == to_text(want));
  CHECK(tool::weights_alone(path));
  want.tied = false;
  want.attention_bias = want.mlp_bias = true;
  CHECK(model(all, {"output.weight", "blk.0.attn_q.bias", "blk.0.ffn_gate.bias"})->line() == to_text(want));
  auto keys = all;
  keys.push_back(key("llama.rope.scaling.type", string, text("linear")));
  keys.push_back(real("llama.rope.scaling.factor", 2.5F));
  want.scaling = {.kind = rope_scaling::linear, .factor = 2.5};
  CHECK(model(keys, {"output.weight", "blk.0.attn_q.bias", "blk.0.ffn_gate.bias"})->line() == to_text(want));

  const auto refused = [&](std::size_t which, std::string const& k, const char* what) {
    auto wrong = all;
    if (which < wrong.size()) wrong[which] = k;
    else wrong.push_back(k);
    CHECK_THROWS_WITH_AS(model(wrong), doctest::Contains(what), error);
  };
  refused(0, key("general.architecture", string, text("t5")), "the general.architecture 't5', expected one of llama");
  refused(1, number("llama.block", 2), "has no key llama.block_count");
  refused(1, number("llama.block_count", 0), "llama.block_count is 0, expected 1 or more");
  refused(1, number("llama.block_count", 3), "block_count is 3, and there is no blk.2.attn_norm.weight");
  refused(3, number("llama.attention.head_count_kv", 3), "head_count_kv is 3, expected a number that divides");
  refused(4, number("llama.embedding_length", 20), "llama.attention.key_length is 5, expected an even number");
  refused(7, number("llama.rope.dimension_count", 4), "dimension_count is 4, expected 6, the only one");
  refused(8, real("llama.rope.freq_base", -1), "llama.rope.freq_base is -1");
  refused(99, number("llama.expert_count", 8), "llama.expert_count is 8, expected 0");
  refused(99, number("llama.vocab_size", 30), "llama.vocab_size is 30, expected 29");
  refused(99, number("llama.attention.value_length", 8), "value_length is 8, expected 6");
  refused(99, number("llama.attention.sliding_window", 8), "the key llama.attention.sliding_window, expected none");
  refused(99, key("llama.rope.scaling.type", string, text("yarn")), "scaling.type is yarn, expected none or linear");
  CHECK_THROWS_WITH_AS(model(all, {"rope_freqs.weight"}), doctest::Contains("has rope_freqs.weight"), error);
}
