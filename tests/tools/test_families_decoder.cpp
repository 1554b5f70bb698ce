// The families of the common decoder: their configs through a config.json and back, and what they refuse.
#include <doctest/doctest.h>

#include <fauna/models/bloom.hpp>
#include <fauna/models/cohere2.hpp>
#include <fauna/models/deepseek.hpp>
#include <fauna/models/exaone4.hpp>
#include <fauna/models/falcon.hpp>
#include <fauna/models/gemma.hpp>
#include <fauna/models/gemma2.hpp>
#include <fauna/models/gemma3.hpp>
#include <fauna/models/glm4.hpp>
#include <fauna/models/gpt_oss.hpp>
#include <fauna/models/gptj.hpp>
#include <fauna/models/granite.hpp>
#include <fauna/models/linear_lm.hpp>
#include <fauna/models/llama4.hpp>
#include <fauna/models/mistral.hpp>
#include <fauna/models/mpt.hpp>
#include <fauna/models/nemotron.hpp>
#include <fauna/models/olmo.hpp>
#include <fauna/models/olmo2.hpp>
#include <fauna/models/olmo3.hpp>
#include <fauna/models/opt.hpp>
#include <fauna/models/phi.hpp>
#include <fauna/models/phi3.hpp>
#include <fauna/models/qwen2.hpp>
#include <fauna/models/qwen3.hpp>
#include <fauna/models/smollm3.hpp>
#include <fauna/models/stablelm.hpp>
#include <fauna/models/starcoder2.hpp>
#include <tools/src/directory.hpp>

#include "../support/config_files.hpp"
#include "../support/temporary.hpp"

namespace test_families_decoder {

using namespace fauna;
using test::through_file;

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
  back(Olmo3_7B::config, biased, [](auto& c) { c.scaling = {}, c.window_base = 77; });
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
  refused(GptOss20B::config, {{"experts_per_token", 1}}, "experts_per_token = 1, expected num_experts_per_tok, 4");
  refused(GptOss20B::config, {{"quantization_config", {{"quant_method", "quanto"}}}}, "expected quant_method mxfp4");
  refused(GptOss20B::config, {{"quantization_config", {{"quant_method", "fp8"}}}}, "weight_block_size = nothing");
  refused(Llama4Maverick::config, {{"moe_layers", {0, 3}}}, "moe_layers = [0,3], expected the last of each so many");
  refused(Llama4Scout::config, {{"layer_types", std::vector<std::string>(48, "full_attention")}},
          "expected chunked_attention where layers know positions");
  refused(Llama4Scout::config, {{"sliding_window", 9}}, "sliding_window = 9");
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

}  // namespace test_families_decoder
