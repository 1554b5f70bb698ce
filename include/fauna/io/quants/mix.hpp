// Which type each matrix of a model gets in a mix of K types, by its name in GGUF and its layer, as llama.cpp assigns
// them (src/llama-quant.cpp): what errors hurt most in more bits, the values' projection, the MLP's second matrix and
// the head. Where queries, keys and values are one matrix (attn_qkv), newer versions there give it what the values'
// gets; here it is as in the files that were made before.
#pragma once
#include <cstddef>
#include <cstdint>
#include <string_view>

#include <fauna/io/gguf_names.hpp>

namespace fauna::inline v0 {

struct QuantMix {
  std::string_view name, base;  ///< base: the type of all that no rule names
  std::uint32_t file_type;      ///< as GGUF's general.file_type says it
};
inline constexpr QuantMix mixes[] = {{"Q3_K_S", "Q3_K", 11}, {"Q3_K_M", "Q3_K", 12}, {"Q3_K_L", "Q3_K", 13},
                                     {"Q4_K_S", "Q4_K", 14}, {"Q4_K_M", "Q4_K", 15}, {"Q5_K_S", "Q5_K", 16},
                                     {"Q5_K_M", "Q5_K", 17}, {"Q6_K", "Q6_K", 18}};
/// Null for a name that is no mix.
constexpr const QuantMix* mix_of(std::string_view name) {
  for (QuantMix const& m : mixes)
    if (m.name == name) return &m;
  return nullptr;
}

/// The type, or where a row of `columns` numbers is no whole blocks of it, the nearest in blocks of 32; F16 where 32
/// does not divide it either.
constexpr std::string_view fitting(std::string_view type, std::size_t columns) {
  const bool k_type = type.size() == 4 && type.substr(2) == "_K";
  if (k_type && columns % 256 != 0)
    type = type == "Q6_K" ? "Q8_0" : type == "Q5_K" ? "Q5_1" : type == "Q4_K" ? "Q5_0" : "Q4_0";
  return columns % 32 == 0 ? type : "F16";
}

/// What the rules know of a model beside its tensors' names.
struct QuantModel {
  int layers = 0, experts = 0;  ///< experts: in each layer; 0 in a dense model
  bool falcon = false;          ///< of that architecture, which has fewer bits for what others have more for
};

/// The type of the matrix `name`, "blk.3.attn_v.weight"; `head`: the logits come of it.
inline std::string_view mixed(QuantMix const& m, std::string_view name, QuantModel const& model, bool head,
                              std::size_t columns) {
  if (head) return fitting(columns % 256 == 0 && !model.falcon ? "Q6_K" : "Q8_0", columns);
  const auto is = [name](std::string_view part) { return name.find(part) != name.npos; };
  const bool small = m.name == "Q3_K_M", large = m.name == "Q3_K_L", four = m.name == "Q4_K_M",
             five = m.name == "Q5_K_M", four_small = m.name == "Q4_K_S";
  const bool falcon = model.falcon, mixtral = model.experts == 8;  // whose attention is little beside its experts
  const int layers = model.layers, layer = gguf_layer(name);
  const bool favoured = layer < layers / 8 || layer >= 7 * layers / 8 || (layer - layers / 8) % 3 == 2;
  const bool more = (four || five) && favoured;
  std::string_view type = m.base;
  if (is("attn_v.")) {
    if (more) type = "Q6_K";
    else if (large || (small && layer < 2) || (four_small && layer < 4)) type = "Q5_K";
    else if (small) type = "Q4_K";
    // 80 layers are a model of 70 billion numbers, whose heads of queries are eight to one of values.
    if (layers == 80 && (type == "Q3_K" || type == "Q4_K")) type = "Q5_K";
    if (mixtral) type = "Q8_0";
  } else if (is("attn_k.")) {
    if (mixtral) type = "Q8_0";
  } else if (is("ffn_down")) {  // of experts too
    if (small) type = layer < layers / 16 ? "Q5_K" : !falcon || favoured ? "Q4_K" : "Q3_K";
    else if (large) type = falcon ? "Q4_K" : "Q5_K";
    else if (four && falcon) type = layer < layers / 16 ? "Q6_K" : favoured ? "Q5_K" : "Q4_K";
    else if (more) type = "Q6_K";
    else if (four_small && !falcon && layer < layers / 8) type = "Q5_K";
  } else if (is("attn_output.")) {
    if (falcon) type = large ? "Q4_K" : m.base;
    else if (mixtral) type = (m.base == "Q3_K" && !large) || m.base == "Q4_K" ? "Q5_K" : m.base;
    else if (large) type = "Q5_K";
    else if (small) type = "Q4_K";
  } else if (is("attn_qkv.")) {
    if (five) type = "Q6_K";
    else if (four) type = "Q5_K";
    else if (small || large) type = "Q4_K";
  }
  return fitting(type, columns);
}

}  // namespace fauna::inline v0
