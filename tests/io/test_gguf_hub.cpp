// A GGUF file's tensors under the hub's names, in the hub's order: rows that are numbered, against lists that are
// written out. What a head, a group or an expert is stands here once more, apart from the table.
#include <doctest/doctest.h>

#include <fauna/io/open_tensors.hpp>

#include "../support/gguf.hpp"
#include "../support/temporary.hpp"

namespace test_gguf_hub {

using namespace fauna;
using doctest::Contains;
using floats = std::vector<float>;

namespace {

/// A file with one tensor, of the numbers 0, 1, …; `sizes` with the last dimension first.
HubGguf file(std::string const& architecture, int queries, int keys, std::string const& name,
             std::vector<std::uint64_t> const& sizes) {
  static const TemporaryFolder folder;
  std::uint64_t n = 1;
  for (const std::uint64_t s : sizes) n *= s;
  std::string data;
  for (std::uint64_t i = 0; i < n; ++i) data += gguf::raw(static_cast<float>(i));
  write_file(folder / "t.gguf",
             gguf::padded(gguf::header(1, gguf::heads_keys) + gguf::heads(architecture, queries, keys) +
                          gguf::tensor(name, 0, sizes, 0)) +
                 gguf::padded(data));
  return HubGguf(folder / "t.gguf");
}
floats numbers(TensorFile const& from, std::string const& name, std::vector<std::size_t> const& shape) {
  SafeTensor const* const t = from.find(name);
  REQUIRE(t != nullptr);
  CHECK(t->shape == shape);
  floats x(t->elements());
  read_floats(*t, 0, x.size(), x.data());
  return x;
}

}  // namespace

TEST_CASE("hub: rows of queries and keys that turn as halves, not as neighbours") {
  // Two heads of four rows: 0 and 2 of a head are its first half.
  CHECK(numbers(file("llama", 2, 1, "blk.0.attn_q.weight", {1, 8}), "model.layers.0.self_attn.q_proj.weight", {8, 1}) ==
        floats{0, 2, 1, 3, 4, 6, 5, 7});
  // One head of eight rows.
  CHECK(numbers(file("llama", 2, 1, "blk.0.attn_k.weight", {1, 8}), "model.layers.0.self_attn.k_proj.weight", {8, 1}) ==
        floats{0, 2, 4, 6, 1, 3, 5, 7});
}
TEST_CASE("hub: queries, keys and values group by group") {
  // Falcon with four heads of two rows in two groups: queries 0 to 7, keys 8 to 11, values 12 to 15. On the hub
  // [2 groups, 2 queries + a key + a value, 2 rows].
  const floats groups{0, 1, 2, 3, 8, 9, 12, 13, 4, 5, 6, 7, 10, 11, 14, 15};
  CHECK(numbers(file("falcon", 4, 2, "blk.0.attn_qkv.weight", {1, 16}),
                "transformer.h.0.self_attention.query_key_value.weight", {16, 1}) == groups);
  // GPT-NeoX with two heads of two rows; on the hub [2 heads, query + key + value, 2 rows]. A bias lies as its matrix.
  const floats heads{0, 1, 4, 5, 8, 9, 2, 3, 6, 7, 10, 11};
  CHECK(numbers(file("gptneox", 2, 2, "blk.3.attn_qkv.weight", {1, 12}),
                "gpt_neox.layers.3.attention.query_key_value.weight", {12, 1}) == heads);
  CHECK(numbers(file("gptneox", 2, 2, "blk.3.attn_qkv.bias", {12}), "gpt_neox.layers.3.attention.query_key_value.bias",
                {12}) == heads);
}
TEST_CASE("hub: matrices turned round, norms without the 1, experts apart, a row that lost its size") {
  CHECK(numbers(file("gpt2", 1, 1, "blk.0.ffn_up.weight", {2, 3}), "transformer.h.0.mlp.c_fc.weight", {2, 3}) ==
        floats{0, 2, 4, 1, 3, 5});
  CHECK(numbers(file("gemma", 1, 1, "blk.0.ffn_norm.weight", {3}), "model.layers.0.post_attention_layernorm.weight",
                {3}) == floats{-1, 0, 1});
  const HubGguf experts = file("olmoe", 1, 1, "blk.0.ffn_down_exps.weight", {2, 1, 3});
  CHECK(experts.tensors().size() == 3);
  CHECK(numbers(experts, "model.layers.0.mlp.experts.0.down_proj.weight", {1, 2}) == floats{0, 1});
  CHECK(numbers(experts, "model.layers.0.mlp.experts.2.down_proj.weight", {1, 2}) == floats{4, 5});
  for (std::vector<std::uint64_t> const& sizes : {std::vector<std::uint64_t>{3}, {3, 1}})
    CHECK(numbers(file("qwen2moe", 1, 1, "blk.0.ffn_gate_inp_shexp.weight", sizes),
                  "model.layers.0.mlp.shared_expert_gate.weight", {1, 3}) == floats{0, 1, 2});
}
TEST_CASE("hub: numbers of heads that are none") {
  CHECK_THROWS_WITH_AS(file("gptneox", -2, 1, "blk.0.attn_qkv.weight", {1, 12}),
                       Contains("gptneox.attention.head_count of -2, expected 0 to 2^31 - 1"), error);
  CHECK_THROWS_WITH_AS(file("gptneox", 2, -1, "blk.0.attn_qkv.weight", {1, 12}), Contains("head_count_kv of -1"),
                       error);
  CHECK_THROWS_WITH_AS(file("llama", 0, 1, "blk.0.attn_q.weight", {1, 12}), Contains("0 heads"), error);
  CHECK_THROWS_WITH_AS(file("falcon", 3, 2, "blk.0.attn_qkv.weight", {1, 14}), Contains("3 heads of queries"), error);
}
TEST_CASE("hub: the layer in a name") {
  CHECK(gguf_layer("blk.3.attn_q.weight") == 3);
  CHECK(gguf_layer("output.weight") == -1);
  CHECK(gguf_layer("blk.2147483647.attn_q.weight") == 0x7ffffffe);
  CHECK(gguf_layer("blk.99999999999999999999.attn_q.weight") == 0x7ffffffe);
}

}  // namespace test_gguf_hub
