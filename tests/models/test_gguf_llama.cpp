// Llama from GGUF, as llama.cpp's converter writes it: other names, and rows of q and k in another order. What comes of
// it is what comes of the hub's names.
#include <doctest/doctest.h>

#include <fauna/fauna.hpp>

#include "../support/gguf.hpp"
#include "../support/temporary.hpp"
#include "support/small_llamas.hpp"

namespace test_gguf_llama {

using namespace fauna;

namespace {

const std::pair<const char*, const char*> parts[] = {
    {"input_layernorm", "attn_norm"},
    {"self_attn.q_proj", "attn_q"},
    {"self_attn.k_proj", "attn_k"},
    {"self_attn.v_proj", "attn_v"},
    {"self_attn.o_proj", "attn_output"},
    {"post_attention_layernorm", "ffn_norm"},
    {"mlp.gate_proj", "ffn_gate"},
    {"mlp.up_proj", "ffn_up"},
    {"mlp.down_proj", "ffn_down"},
    {"model.layers.", "blk."},
    {"model.embed_tokens", "token_embd"},
    {"model.norm", "output_norm"},
    {"lm_head", "output"},
};

/// A file of the hub's as GGUF.
std::string converted(TensorFile const& from, LlamaConfig const& c) {
  std::string tensors, data;
  for (SafeTensor const& t : from.tensors()) {
    std::string name = t.name, bytes(reinterpret_cast<const char*>(t.data), t.bytes);
    for (auto const& [hub, theirs] : parts)
      if (const std::size_t at = name.find(hub); at != std::string::npos) name.replace(at, std::strlen(hub), theirs);
    const bool q = t.name.find("q_proj") != std::string::npos, k = t.name.find("k_proj") != std::string::npos;
    if (q || k) {
      const std::size_t row = t.bytes / t.shape[0], w = static_cast<std::size_t>(c.head_size);
      REQUIRE(t.shape[0] == w * static_cast<std::size_t>(q ? c.heads : c.kv_heads));
      for (std::size_t r = 0; r < t.shape[0]; ++r) {
        const std::size_t in = r % w, to = r - in + (in < w / 2 ? 2 * in : 2 * (in - w / 2) + 1);
        bytes.replace(to * row, row, reinterpret_cast<const char*>(t.data) + r * row, row);
      }
    }
    std::vector<std::uint64_t> sizes(t.shape.rbegin(), t.shape.rend());
    tensors += gguf::tensor(name, 0, sizes, data.size());
    data = gguf::padded(data + bytes);
  }
  return gguf::padded(gguf::header(from.tensors().size(), gguf::heads_keys) +
                      gguf::heads("llama", c.heads, c.kv_heads) + tensors) +
         data;
}

template <class M> std::vector<float> logits(TensorFile const& file) {
  Loaded<M, Cpu<>> model(file, 1);
  const std::vector<int> ids = {1, 4, 2, 3, 0, 5};
  const int n = static_cast<int>(ids.size());
  model.prepare_inference({.sequences = 1, .length = n});
  std::vector<float> y(ids.size() * M::vocab);
  const Batch b = Batch::uniform(1, n, ids.data());
  model.logits(b, logit_rows::all, Matrix<float>(y.data(), n, M::vocab));
  return y;
}

template <class M> void equals_hub() {
  const TemporaryFolder folder;
  Trained<M, Cpu<>> model(seed{3});
  M::visit(model.weights(), Place{}, [](Tensor const& t, auto& v) {  // biases begin as zeros
    for (std::size_t i = 0; t.is_vector() && i < v.size(); ++i) v.data()[i] += 0.01F * static_cast<float>(i % 7);
  });
  save_weights<M>(folder / "w.safetensors", model.weights());
  const SafeTensors hub(folder / "w.safetensors");
  write_file(folder / "w.gguf", converted(hub, M::config));
  CHECK(logits<M>(open_tensors(folder / "w.gguf")) == logits<M>(hub));
}

}  // namespace

TEST_SUITE("llama") {
  TEST_CASE("from GGUF to the bit: tied, and with a head and biases of its own") {
    equals_hub<test::Tied>();
    equals_hub<test::Untied>();
  }
}

}  // namespace test_gguf_llama
