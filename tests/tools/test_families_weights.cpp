// Files of weights that say themselves what they are of: PyTorch's, rwkv.cpp's, GGUF.
#include <doctest/doctest.h>

#include <cstdlib>
#include <fauna/models/deepseek.hpp>
#include <fauna/models/linear_lm.hpp>
#include <fauna/models/llama.hpp>
#include <tools/src/directory.hpp>

#include "../support/gguf.hpp"
#include "../support/pth.hpp"
#include "../support/source_dir.hpp"
#include "../support/temporary.hpp"

namespace test_families_weights {

using namespace fauna;

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
  refused(0, key("general.architecture", string, text("t5")),
          "the general.architecture 't5', expected one of bloom, cohere2, deepseek2, exaone4, falcon");
  refused(1, number("llama.block", 2), "has no key llama.block_count");
  refused(1, number("llama.block_count", 0), "llama.block_count is 0, expected 1 or more");
  refused(1, number("llama.block_count", 3), "block_count is 3, and there are 2 layers");
  refused(3, number("llama.attention.head_count_kv", 3), "head_count_kv is 3, expected a number that divides");
  refused(4, number("llama.embedding_length", 20), "llama.attention.key_length is 5, expected an even number");
  refused(7, number("llama.rope.dimension_count", 4), "dimension_count is 4, expected 6, the only one");
  refused(8, real("llama.rope.freq_base", -1), "llama.rope.freq_base is -1");
  refused(99, number("llama.expert_count", 8), "has no key llama.expert_used_count");
  refused(99, number("llama.vocab_size", 30), "llama.vocab_size is 30, expected 29");
  refused(99, number("llama.attention.value_length", 8), "value_length is 8, expected 6");
  refused(99, number("llama.attention.sliding_window", 8), "the key llama.attention.sliding_window, expected none");
  refused(99, key("llama.rope.scaling.type", string, text("yarn")),
          "has no key llama.rope.scaling.original_context_length");
  CHECK_THROWS_WITH_AS(model(all, {"rope_freqs.weight"}),
                       doctest::Contains("has rope_freqs.weight F32 [8], expected the divisors"), error);
}

}  // namespace test_families_weights
