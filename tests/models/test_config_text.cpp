// A config as a line of text and as a C++ type.
#include <doctest/doctest.h>

#include <fauna/models/config_text.hpp>
#include <fauna/models/gpt.hpp>
#include <fauna/models/gpt_neox.hpp>
#include <fauna/models/llama.hpp>

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
  CHECK(to_text(config_from<C>(line)) == line);
}

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
  const LlamaConfig back = config_from<LlamaConfig>(to_text(llama));
  CHECK(back.scaling == llama.scaling);
  CHECK(back.epsilon == llama.epsilon);
}

TEST_CASE("another line is refused") {
  const std::string line = to_text(gpt);
  for (std::string const& wrong :
       {std::string(), std::string("gpt"), to_text(llama), line + ' ', line + " more=1", ' ' + line,
        line.substr(0, line.rfind(' ')), std::string("gpt heads=2 layers=2") + line.substr(20),
        std::string("gpt layers=2x") + line.substr(12), std::string("gpt layers=02") + line.substr(12),
        std::string("gpt layers=99999999999") + line.substr(12), line.substr(0, line.rfind('=')) + "=tanh",
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
