// Qwen3.5 (Qwen Team 2026), what it makes of texts: the layers of Qwen3-Next, with the MLP of Qwen3 or with experts.
// Files have its projections otherwise, part by part.
#pragma once
#include <fauna/models/qwen3_next.hpp>

namespace fauna::inline v0 {

/// Rows of [q | k | v], of z, of b and of a.
struct Qwen35Files : DeltaInOne {
  static constexpr RowSlice projection(delta_part p, DeltaShape d) {
    switch (p) {
      case delta_part::z: return {"in_proj_z", 1, d.heads * d.values, 0, d.heads * d.values};
      case delta_part::b: return {"in_proj_b", 1, d.heads, 0, d.heads};
      case delta_part::a: return {"in_proj_a", 1, d.heads, 0, d.heads};
      default: return joined("in_proj_qkv", p, d);
    }
  }
};

/// Files of a model that sees have its weights within those of another.
template <std::vector<Piece> (*Inner)(Tensor const&)> std::vector<Piece> within_what_sees(Tensor const& t) {
  auto pieces = Inner(t);
  const std::string root = "model.";
  for (Piece& p : pieces)
    if (p.name.rfind(root, 0) == 0) p.name.insert(root.size(), "language_model.");
  return pieces;
}
inline std::vector<Piece> own_pieces(Tensor const& t) { return pieces_of(t); }
/// What such files hold beside: what sees, and what drafts.
inline constexpr std::string_view beside_texts[] = {"model.visual.*", "mtp.*"};

struct Qwen35Style : DeltaDecoderStyle {
  static constexpr ConfigNames names =
      in_files("qwen3_5", "fauna::Qwen35", "fauna::Qwen35Config", "fauna/models/qwen3_5.hpp");
  using Files = Qwen35Files;
};
using Qwen35Config = HybridConfig<Qwen35Style, DeltaHeads>;
template <Qwen35Config c> struct Qwen35 : Hybrid<c> {
  static constexpr auto& holds_beside = beside_texts;
  static constexpr Dialect dialects[] = {{"of texts", "model.layers.*", nullptr},
                                         {"of one that sees", "model.language_model.*", within_what_sees<own_pieces>}};
};

struct Qwen35MoeStyle : Qwen35Style {
  static constexpr ConfigNames names =
      in_files("qwen3_5_moe", "fauna::Qwen35Moe", "fauna::Qwen35MoeConfig", "fauna/models/qwen3_5.hpp");
};
using Qwen35MoeConfig = HybridConfig<Qwen35MoeStyle, Mixture<Qwen35MoeStyle>, DeltaHeads>;
template <Qwen35MoeConfig c> struct Qwen35Moe : MoeHybrid<c> {
  static constexpr auto& holds_beside = beside_texts;
  static std::vector<Piece> fused(Tensor const& t) { return ExpertDialects<c>::fused(t); }
  static constexpr Dialect dialects[] = {
      {"an expert a tensor", "model.layers.*mlp.experts.0.*", nullptr},
      {"a layer's experts in one", "model.layers.*mlp.experts.gate_up_proj", fused},
      {"of one that sees, an expert a tensor", "model.language_model.*mlp.experts.0.*", within_what_sees<own_pieces>},
      {"of one that sees", "model.language_model.*mlp.experts.gate_up_proj", within_what_sees<fused>}};
};

using Qwen35_0_8B = Qwen35<Qwen35Config{{.layers = 24,
                                         .heads = 8,
                                         .kv_heads = 2,
                                         .head_size = 256,
                                         .width = 1024,
                                         .hidden = 3584,
                                         .context = 262144,
                                         .vocab = 248320,
                                         .base = 10000000,
                                         .turned = 0.25,
                                         .epsilon = 1e-6F,
                                         .tied = true},
                                        {.mixers = "ggga"},
                                        {.rule_heads = 16}}>;
using Qwen35_4B = Qwen35<Qwen35Config{{.layers = 32,
                                       .heads = 16,
                                       .kv_heads = 4,
                                       .head_size = 256,
                                       .width = 2560,
                                       .hidden = 9216,
                                       .context = 262144,
                                       .vocab = 248320,
                                       .base = 10000000,
                                       .turned = 0.25,
                                       .epsilon = 1e-6F,
                                       .tied = true},
                                      {.mixers = "ggga"},
                                      {}}>;
using Qwen35_27B = Qwen35<Qwen35Config{{.layers = 64,
                                        .heads = 24,
                                        .kv_heads = 4,
                                        .head_size = 256,
                                        .width = 5120,
                                        .hidden = 17408,
                                        .context = 262144,
                                        .vocab = 248320,
                                        .base = 10000000,
                                        .turned = 0.25,
                                        .epsilon = 1e-6F},
                                       {.mixers = "ggga"},
                                       {.rule_heads = 48}}>;
using Qwen35_35B_A3B =
    Qwen35Moe<Qwen35MoeConfig{{.layers = 40,
                               .heads = 16,
                               .kv_heads = 2,
                               .head_size = 256,
                               .width = 2048,
                               .context = 262144,
                               .vocab = 248320,
                               .base = 10000000,
                               .turned = 0.25,
                               .epsilon = 1e-6F},
                              {.mixers = "ggga", .mlps = "e"},
                              {.experts = 256, .chosen = 8, .expert_hidden = 512, .shared_hidden = 512},
                              {}}>;
/// For characters: as many parameters as nanoGPT's CPU model has.
using Qwen35Shakespeare = Qwen35<Qwen35Config{{.layers = 4,
                                               .heads = 4,
                                               .kv_heads = 2,
                                               .head_size = 32,
                                               .width = 128,
                                               .hidden = 352,
                                               .context = 64,
                                               .vocab = 65,
                                               .turned = 0.25,
                                               .epsilon = 1e-6F,
                                               .tied = true},
                                              {.mixers = "ggga"},
                                              {.rule_heads = 4, .key_heads = 2, .keys = 32, .values = 32}}>;
using Qwen35MoeShakespeare =
    Qwen35Moe<Qwen35MoeConfig{{.layers = 4,
                               .heads = 4,
                               .kv_heads = 2,
                               .head_size = 32,
                               .width = 128,
                               .context = 64,
                               .vocab = 65,
                               .turned = 0.25,
                               .epsilon = 1e-6F,
                               .tied = true},
                              {.mixers = "ggga", .mlps = "e"},
                              {.experts = 16, .chosen = 3, .expert_hidden = 88, .shared_hidden = 72},
                              {.rule_heads = 4, .key_heads = 2, .keys = 32, .values = 32}}>;

}  // namespace fauna::inline v0
