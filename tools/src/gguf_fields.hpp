// What a GGUF file's keys say alike in the families that came after Llama, in both directions, and how the tensors of
// such a file lie.
#pragma once
#include <string>

#include <fauna/core/number_text.hpp>
#include <fauna/io/gguf_writer.hpp>
#include <fauna/models/config_text.hpp>
#include <fauna/ops/rope/op.hpp>
#include <tools/src/gguf_keys.hpp>

namespace tool {

/// How a family's tensors lie in GGUF, beside having other names (models/gguf_pieces.hpp).
struct GgufForm {
  int layers = 0;
  /// Heads whose rows lie in the order in which columns rotate in pairs; 0: as the hub has them.
  int heads = 0, kv_heads = 0;
  bool gemma = false;  ///< with Gemma 2's and 3's names and norms
};

/// Sizes, rotary positions and the norms' ε; a tied head is one that the file lacks.
template <class C> C read_gguf_sizes(GgufKeys& k) {
  C m;
  m.layers = k.whole("block_count");
  m.heads = k.whole("attention.head_count");
  m.kv_heads = k.whole("attention.head_count_kv", m.heads);
  m.width = k.whole("embedding_length");
  m.hidden = k.whole("feed_forward_length");
  m.context = k.whole("context_length");
  if (m.heads % m.kv_heads != 0)
    k.wrong("attention.head_count_kv", std::to_string(m.kv_heads),
            "a number that divides the " + std::to_string(m.heads) + " heads");
  m.head_size = k.whole("attention.key_length", m.width / m.heads);
  if (m.head_size < 2 || m.head_size % 2 != 0)
    k.wrong("attention.key_length", std::to_string(m.head_size), "an even number: columns turn in pairs");
  k.only("attention.value_length", m.head_size);
  k.only("rope.dimension_count", m.head_size);
  k.only("expert_count", 0);
  k.only("expert_used_count", 0);
  fauna::TensorFile const& file = k.file();
  if (const std::string last = "blk." + std::to_string(m.layers - 1) + ".attn_norm.weight"; file.find(last) == nullptr)
    k.wrong("block_count", std::to_string(m.layers) + ", and there is no " + last, "as many layers as the file has");
  const fauna::SafeTensor* table = file.find("token_embd.weight");
  if (table == nullptr || table->shape.size() != 2 || table->shape[0] > 0x7fffffff)
    fauna::fail("config", file.path() + " has no token_embd.weight of two dimensions", "the token table");
  m.vocab = static_cast<int>(table->shape[0]);
  k.only("vocab_size", m.vocab);
  m.base = k.positive("rope.freq_base", 10000);
  const std::string scaling = k.text("rope.scaling.type", "none");
  if (scaling == "linear") m.scaling = {fauna::rope_scaling::linear, k.positive("rope.scaling.factor", 1)};
  else if (scaling != "none") k.wrong("rope.scaling.type", scaling, "none or linear");
  if (file.find("rope_freqs.weight") != nullptr)
    fauna::fail("config", file.path() + " has rope_freqs.weight, frequencies that are scaled one by one",
                "none: they are not read yet");
  m.tied = file.find("output.weight") == nullptr;
  m.epsilon = static_cast<float>(k.positive("attention.layer_norm_rms_epsilon", 1e-5));
  return m;
}

/// Refuses what the keys have no word for.
inline void gguf_only(std::string const& line, bool is, const char* expected) {
  if (!is)
    fauna::fail("gguf", "a model of " + line, expected,
                "the format's keys have no word for another, or none is written here");
}

/// The same as keys, the architecture's name first. `line`: the model, for errors.
template <class C>
void put_gguf_sizes(C const& m, const char* architecture, fauna::GgufMetadata& keys, std::string const& line) {
  const auto whole = [&](const char* key, int value) {
    keys.put(architecture + std::string(".") + key, static_cast<std::uint32_t>(value));
  };
  const auto real = [&](const char* key, double value) {
    const auto single = static_cast<float>(value);
    gguf_only(line, static_cast<double>(single) == value,
              "numbers of positions that are exact in f32, as the format has them");
    keys.put(architecture + std::string(".") + key, single);
  };
  gguf_only(line, m.scaling.kind == fauna::rope_scaling::none || m.scaling.kind == fauna::rope_scaling::linear,
            "rotary positions that are not scaled, or linearly");
  keys.put("general.architecture", architecture);
  whole("block_count", m.layers);
  whole("context_length", m.context);
  whole("embedding_length", m.width);
  whole("feed_forward_length", m.hidden);
  whole("attention.head_count", m.heads);
  whole("attention.head_count_kv", m.kv_heads);
  whole("attention.key_length", m.head_size);
  whole("attention.value_length", m.head_size);
  keys.put(architecture + std::string(".attention.layer_norm_rms_epsilon"), m.epsilon);
  whole("vocab_size", m.vocab);
  whole("rope.dimension_count", m.head_size);
  real("rope.freq_base", m.base);
  if (m.scaling.kind == fauna::rope_scaling::none) return;
  keys.put(architecture + std::string(".rope.scaling.type"), "linear");
  real("rope.scaling.factor", m.scaling.factor);
}

/// The keys of a dense decoder that has nothing beside its sizes, and rows in the hub's order.
template <class C> GgufForm put_gguf_decoder(C const& m, const char* architecture, fauna::GgufMetadata& keys) {
  put_gguf_sizes(m, architecture, keys, fauna::to_text(m));
  C said;
  said.layers = m.layers, said.heads = m.heads, said.kv_heads = m.kv_heads, said.head_size = m.head_size;
  said.width = m.width, said.hidden = m.hidden, said.context = m.context, said.vocab = m.vocab;
  said.base = m.base, said.scaling = m.scaling, said.epsilon = m.epsilon, said.tied = m.tied;
  gguf_only(fauna::to_text(m), said == m, fauna::to_text(said).c_str());
  return {.layers = m.layers};
}

}  // namespace tool
