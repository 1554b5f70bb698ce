// A config as a line of text and as a C++ type.
#include <doctest/doctest.h>

#include <fauna/models/config_text.hpp>
#include <fauna/models/falcon_mamba.hpp>
#include <fauna/models/gemma3.hpp>
#include <fauna/models/gpt.hpp>
#include <fauna/models/gpt_neox.hpp>
#include <fauna/models/llama.hpp>
#include <fauna/models/mamba2.hpp>
#include <fauna/models/qwen2_moe.hpp>
#include <fauna/models/rwkv4.hpp>
#include <fauna/models/rwkv5.hpp>
#include <fauna/models/rwkv6.hpp>
#include <fauna/models/rwkv7.hpp>

namespace test_config_text {

using namespace fauna;

namespace {

constexpr GptConfig gpt{.layers = 2, .heads = 2, .width = 24, .context = 12, .vocab = 27, .dropout = 0.1F};
constexpr LlamaConfig llama{.layers = 2,
                            .heads = 4,
                            .kv_heads = 2,
                            .head_size = 6,
                            .width = 24,
                            .hidden = 40,
                            .context = 32,
                            .vocab = 29,
                            .base = 500000,
                            .scaling = {.kind = rope_scaling::llama3, .factor = 8.5, .original = 16},
                            .epsilon = 1e-6F,
                            .mlp_bias = true};
constexpr GptNeoXConfig neox{.rotary = 20, .base = 1e100, .parallel = false, .act = activation::relu_squared};

/// The line stands for the config and for no other.
template <class C> void same(C const& c, std::string const& line) {
  CHECK(to_text(c) == line);
  CHECK(config_from<C>(line) == c);
}

/// How many members C can be initialised with, and how many it lists.
struct Any {
  template <class T> operator T() const;
};
template <class C, class... Some> consteval int members() {
  if constexpr (requires { C{Some{}..., Any{}}; }) return members<C, Some..., Any>();
  else return sizeof...(Some);
}
template <class C> consteval int listed() {
  int n = 0;
  const C c;
  C::each(c, [&n](const char*, auto&) { ++n; });
  if constexpr (config_detail::HasLater<C const>) C::later(c, [&n](const char*, auto&) { ++n; });
  return n;
}
static_assert(members<GptConfig>() == 8 && listed<GptConfig>() == 8);
static_assert(members<LlamaConfig>() == listed<LlamaConfig>());
static_assert(members<GptNeoXConfig>() == listed<GptNeoXConfig>());
static_assert(members<FalconMambaConfig>() == listed<FalconMambaConfig>());
static_assert(members<Mamba2Config>() == listed<Mamba2Config>());
static_assert(members<Rwkv4Config>() == listed<Rwkv4Config>());
static_assert(members<Rwkv5Config>() == listed<Rwkv5Config>());
static_assert(members<Rwkv6Config>() == listed<Rwkv6Config>());
static_assert(members<Rwkv7Config>() == listed<Rwkv7Config>());
static_assert(members<Gemma3Config>() == listed<Gemma3Config>());
static_assert(members<RopeScaling>() == listed<RopeScaling>() + 2 * 63);  // two lists count by their elements

}  // namespace

TEST_CASE("a config as a line") {
  same(gpt, "gpt layers=2 heads=2 width=24 context=12 vocab=27 bias=true dropout=0.1 act=gelu");
  same(llama,
       "llama layers=2 heads=4 kv_heads=2 head_size=6 width=24 hidden=40 context=32 vocab=29 base=5e+05 "
       "scaling.kind=llama3 scaling.factor=8.5 scaling.low=1 scaling.high=4 scaling.original=16 tied=false "
       "epsilon=1e-06 attention_bias=false mlp_bias=true act=silu");
  same(neox,
       "gpt_neox layers=6 heads=8 width=512 hidden=2048 context=2048 vocab=50304 rotary=20 base=1e+100 epsilon=1e-05 "
       "parallel=false tied=false act=relu_squared");
}

TEST_CASE("a config of the common decoder") {
  same(Gemma3_1B::config,
       "gemma3 layers=26 heads=4 kv_heads=1 head_size=256 width=1152 hidden=6912 context=32768 vocab=262144 window=512 "
       "full_every=6 base=1e+06 window_base=10000 turned=1 scaling.kind=none scaling.factor=1 scaling.low=1 "
       "scaling.high=4 scaling.original=8192 score_scale=0.0625 embedding_scale=1 residual_scale=1 logit_scale=1 "
       "score_cap=0 logit_cap=0 epsilon=1e-06 qkv_bias=false out_bias=false mlp_bias=false tied=true act=gelu_tanh");
  CHECK(cpp_type(Gemma3_1B::config) ==
        "fauna::Gemma3<fauna::Gemma3Config{.layers = 26, .heads = 4, .kv_heads = 1, .head_size = 256, .width = 1152, "
        ".hidden = 6912, .context = 32768, .vocab = 262144, .window = 512, .full_every = 6, .base = 1000000.0, "
        ".window_base = 10000.0, .score_scale = 0.0625, .epsilon = 1e-06F}>");
}

TEST_CASE("a config of two parts has braces for each, and a number that is 0 by default may be 0") {
  constexpr Qwen2MoeConfig small{{.layers = 2, .heads = 4, .kv_heads = 2, .head_size = 4, .width = 16, .vocab = 29},
                                 {.experts = 6, .dense = 1}};
  CHECK(cpp_type(small) ==
        "fauna::Qwen2Moe<fauna::Qwen2MoeConfig{{.layers = 2, .heads = 4, .kv_heads = 2, .head_size = 4, .width = 16, "
        ".hidden = 11008, .context = 4096, .vocab = 29, .window = 2147483647, .full_every = 1}, {.experts = 6, "
        ".chosen = 2, .expert_hidden = 1024, .shared_hidden = 0, .dense = 1, .groups = 1, .kept_groups = 1}}>");
  CHECK(config_from<Qwen2MoeConfig>(to_text(small)) == small);
}

TEST_CASE("what came to a config later stands in its line where it is not as by default") {
  LlamaConfig c;
  c.scaling = {.kind = rope_scaling::yarn, .factor = 4, .high = 32, .truncate = false};
  const std::string begin =
                        "llama layers=32 heads=32 kv_heads=32 head_size=128 width=4096 hidden=11008 context=4096 "
                        "vocab=32000 base=10000 scaling.kind=",
                    end = " tied=false epsilon=1e-05 attention_bias=false mlp_bias=false act=silu";
  same(c, begin + "yarn scaling.factor=4 scaling.low=1 scaling.high=32 scaling.original=8192 scaling.truncate=false" +
              end);
  c.scaling = {.kind = rope_scaling::longrope, .factors = {1, 2.5F}, .short_factors = {0.5F, 1}};
  const std::string list = begin + "longrope scaling.factor=1 scaling.low=1 scaling.high=4 scaling.original=8192 ";
  same(c, list + "scaling.factors=1,2.5 scaling.short_factors=0.5,1" + end);
  CHECK(cpp_type(c).find(".factors = {1.0F, 2.5F}, .short_factors = {0.5F, 1.0F}}") != std::string::npos);
  for (const char* wrong : {"scaling.factors=1,,2", "scaling.factors=1,x", "scaling.factors=", "scaling.truncate=true",
                            "scaling.short_factors=1 scaling.factors=1"})
    CHECK_THROWS_AS(config_from<LlamaConfig>(list + wrong + end), error);
  std::string many = "scaling.factors=1";
  for (int i = 0; i < 64; ++i) many += ",1";
  CHECK_THROWS_AS(config_from<LlamaConfig>(list + many + end), error);
}

TEST_CASE("a config whose head is never tied") {
  same(Rwkv7Config{},
       "rwkv7 layers=12 heads=12 width=768 hidden=3072 decay=64 learning=64 value=32 gate=128 vocab=65536");
  same(Rwkv4Config{}, "rwkv4 layers=12 width=768 hidden=3072 vocab=50277");
  same(Rwkv5Config{}, "rwkv5 layers=12 heads=12 width=768 hidden=2688 divisor=8 vocab=65536");
  same(Rwkv6Config{}, "rwkv6 layers=12 heads=12 width=768 hidden=2688 mix=32 decay=64 divisor=8 vocab=65536");
  CHECK(cpp_type(Rwkv7Config{.vocab = 65}).ends_with(".gate = 128, .vocab = 65}>"));
}

TEST_CASE("a config of which another's word is the beginning") {
  same(
      Mamba2Config{},
      "mamba2 layers=24 width=768 heads=24 head_size=64 states=128 groups=1 taps=4 vocab=50288 tied=true epsilon=1e-05 "
      "bias=false conv_bias=true gate_first=true");
}

TEST_CASE("another line is refused") {
  const std::string line = to_text(gpt);
  for (std::string const& wrong :
       {std::string(), std::string("gpt"), to_text(llama), line + ' ', line + " more=1", ' ' + line,
        line.substr(0, line.rfind(' ')), std::string("gpt heads=2 layers=2") + line.substr(20),
        std::string("gpt layers=2x") + line.substr(12), std::string("gpt layers=02") + line.substr(12),
        std::string("gpt layers=99999999999") + line.substr(12), std::string("gpt layers=0") + line.substr(12),
        std::string("gpt layers=-2") + line.substr(12), line.substr(0, line.rfind("0.1")) + "nan act=gelu",
        line.substr(0, line.rfind("0.1")) + "inf act=gelu", line.substr(0, line.rfind('=')) + "=tanh",
        line + "; evil"}) {
    CAPTURE(wrong);
    CHECK_THROWS_WITH_AS(config_from<GptConfig>(wrong),
                         ("[model] the description '" + wrong +
                          "', expected a line such as gpt layers=12 heads=12 "
                          "width=768 context=1024 vocab=50257 bias=true dropout=0 act=gelu")
                             .c_str(),
                         error);
  }
}

TEST_CASE("a config as a type") {
  CHECK(cpp_type(gpt) ==
        "fauna::Gpt<fauna::GptConfig{.layers = 2, .heads = 2, .width = 24, .context = 12, .vocab = 27, "
        ".dropout = 0.1F}>");
  CHECK(cpp_type(llama) ==
        "fauna::Llama<fauna::LlamaConfig{.layers = 2, .heads = 4, .kv_heads = 2, .head_size = 6, .width = 24, "
        ".hidden = 40, .context = 32, .vocab = 29, .base = 500000.0, .scaling = {.kind = fauna::rope_scaling::llama3, "
        ".factor = 8.5, .original = 16}, .epsilon = 1e-06F, .mlp_bias = true}>");
  CHECK(cpp_type(neox) ==
        "fauna::GptNeoX<fauna::GptNeoXConfig{.layers = 6, .heads = 8, .width = 512, .hidden = 2048, .context = 2048, "
        ".vocab = 50304, .rotary = 20, .base = 1e+100, .parallel = false, .act = fauna::activation::relu_squared}>");
}

}  // namespace test_config_text
