// How llama.cpp's converter writes Llama and what is built like it: under names of its own, and the rows of queries'
// and keys' projections in the order of the published weights, in which the columns of a head that rotate together are
// neighbours: row 2i + s of a head is row s w/2 + i of the hub's, for a head of w columns.
#pragma once
#include <cstddef>
#include <string>
#include <vector>

#include <fauna/core/pieces.hpp>

namespace fauna::inline v0 {

namespace gguf_detail {

struct Names {
  const char *hub, *gguf;
};
inline constexpr Names model_names[] = {
    {"model.embed_tokens", "token_embd"}, {"model.norm", "output_norm"}, {"lm_head", "output"}};
inline constexpr Names layer_names[] = {
    {"input_layernorm", "attn_norm"},    {"self_attn.q_proj", "attn_q"},      {"self_attn.k_proj", "attn_k"},
    {"self_attn.v_proj", "attn_v"},      {"self_attn.o_proj", "attn_output"}, {"post_attention_layernorm", "ffn_norm"},
    {"self_attn.q_norm", "attn_q_norm"}, {"self_attn.k_norm", "attn_k_norm"}, {"mlp.gate_proj", "ffn_gate"},
    {"mlp.up_proj", "ffn_up"},           {"mlp.down_proj", "ffn_down"}};
inline constexpr const char *hub_layers = "model.layers.", *gguf_layers = "blk.";

/// A name in the other spelling; what has none stays, or becomes nothing where `known` is asked for.
inline std::string respelt(std::string const& name, const char* Names::*from, const char* Names::*to, bool known) {
  const bool to_hub = to == &Names::hub;
  const std::string layers = to_hub ? gguf_layers : hub_layers;
  const auto respelt_part = [&](std::string const& part, auto const& names) {
    for (Names const& n : names)
      if (part == n.*from) return std::string(n.*to);
    return known ? std::string() : part;
  };
  const std::size_t field = name.rfind('.');
  if (field == std::string::npos) return known ? std::string() : name;
  const std::size_t block = name.rfind(layers, 0) == 0 ? name.find('.', layers.size()) + 1 : 0;
  const std::string part = block == 0      ? respelt_part(name.substr(0, field), model_names)
                           : block > field ? std::string()
                                           : respelt_part(name.substr(block, field - block), layer_names);
  if (part.empty()) return known ? part : name;
  return (block == 0 ? "" : (to_hub ? hub_layers : gguf_layers) + name.substr(layers.size(), block - layers.size())) +
         part + name.substr(field);
}

}  // namespace gguf_detail

/// "model.layers.3.self_attn.q_proj.weight" as "blk.3.attn_q.weight". A name that GGUF has no other for stays.
inline std::string gguf_name(std::string const& name) {
  using gguf_detail::Names;
  return gguf_detail::respelt(name, &Names::hub, &Names::gguf, false);
}
/// And back; empty for a name that is not known.
inline std::string hub_name(std::string const& name) {
  using gguf_detail::Names;
  return gguf_detail::respelt(name, &Names::gguf, &Names::hub, true);
}

/// Where a tensor is in such a file, of a model with so many heads of queries and of keys; 0: rows are in the order of
/// the hub's, as in all architectures but llama.
inline std::vector<Piece> llama_in_gguf(Tensor const& t, int heads, int kv_heads) {
  Piece p = whole_piece(t);
  const auto has = [&p](const char* part) { return p.name.find(part) != std::string::npos; };
  if (const int turned = has(".q_proj.") ? heads : has(".k_proj.") ? kv_heads : 0; turned > 0) {
    const std::ptrdiff_t stride = p.digits[2].stride;
    const int half = p.rows / (2 * turned);
    p.digits[0] = {turned, 2 * half * stride};
    p.digits[1] = {2, stride};
    p.digits[2] = {half, 2 * stride};
  }
  p.name = gguf_name(p.name);
  std::vector<Piece> one;
  one.push_back(static_cast<Piece&&>(p));
  return one;
}
inline std::vector<Piece> decoder_in_gguf(Tensor const& t) { return llama_in_gguf(t, 0, 0); }
inline constexpr Dialect decoder_dialects[] = {{"the hub's", "*layernorm.weight", nullptr},
                                               {"GGUF", "blk.*.attn_norm.weight", decoder_in_gguf}};

}  // namespace fauna::inline v0
