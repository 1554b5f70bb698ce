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
/// Gemma 2's and 3's, whose attention and MLP have a norm behind them, too.
inline constexpr Names norms_around[] = {{"post_attention_layernorm", "post_attention_norm"},
                                         {"pre_feedforward_layernorm", "ffn_norm"},
                                         {"post_feedforward_layernorm", "post_ffw_norm"}};
inline constexpr const char *hub_layers = "model.layers.", *gguf_layers = "blk.";

/// A name in the other spelling; what has none stays, or becomes nothing where `known` is asked for. `around`: of a
/// family with norms on both sides.
inline std::string respelt(std::string const& name, const char* Names::*from, const char* Names::*to, bool known,
                           bool around) {
  const bool to_hub = to == &Names::hub;
  const std::string layers = to_hub ? gguf_layers : hub_layers;
  const auto respelt_part = [&](std::string const& part, auto const& names) {
    for (Names const& n : norms_around)
      if (around && part == n.*from) return std::string(n.*to);
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
inline std::string gguf_name(std::string const& name, bool around = false) {
  using gguf_detail::Names;
  return gguf_detail::respelt(name, &Names::hub, &Names::gguf, false, around);
}
/// And back; empty for a name that is not known.
inline std::string hub_name(std::string const& name, bool around = false) {
  using gguf_detail::Names;
  return gguf_detail::respelt(name, &Names::gguf, &Names::hub, true, around);
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

/// What the file has more of a tensor of Gemma's: norms multiply by what it has, and by 1 more than the hub has.
inline float more_in_gemma(std::string_view name) {
  constexpr std::string_view norm = "norm.weight";
  return name.size() >= norm.size() && name.substr(name.size() - norm.size()) == norm ? 1.0F : 0.0F;
}
inline std::vector<Piece> gemma_in_gguf(Tensor const& t) {
  Piece p = whole_piece(t);
  p.more = more_in_gemma(p.name);
  p.name = gguf_name(p.name, true);
  std::vector<Piece> one;
  one.push_back(static_cast<Piece&&>(p));
  return one;
}
inline constexpr Dialect gemma_dialects[] = {{"the hub's", "*layernorm.weight", nullptr},
                                             {"GGUF", "blk.*.attn_norm.weight", gemma_in_gguf}};

}  // namespace fauna::inline v0
