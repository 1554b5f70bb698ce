// DeepSeek-V2 and V3 (DeepSeek-AI 2024, "DeepSeek-V2", sections 2.1 and 2.2; "DeepSeek-V3 technical report", section
// 2.1): multi-head latent attention, the first layers with a dense MLP, the others with many small experts and some
// that all rows share. V2's router takes the softmax's weights as they are and judges groups by their best expert; V3's
// has sigmoids, a correction of the choice, and judges groups by their two best.
#pragma once
#include <utility>

#include <fauna/blocks/columns.hpp>
#include <fauna/blocks/mla.hpp>
#include <fauna/models/moe_decoder.hpp>

namespace fauna::inline v0 {

/// The latents of attention: of the decoder's numbers heads is read, kv_heads, head_size and turned are not.
struct Latents {
  int query_rank = 0;                      ///< 0: queries are made of the row itself
  int rank = 512;                          ///< of keys and values
  int nope = 128, rope = 64, value = 128;  ///< columns of a head: not turned and turned ones, and of its value
  int further = 0;              ///< tokens that are predicted beside the next one, in training and for drafts
  float further_weight = 0.3F;  ///< of the mean of their losses

  constexpr bool operator==(Latents const&) const = default;
  template <class C, class F> static constexpr void each(C& c, F&& f) {
    f("query_rank", c.query_rank), f("rank", c.rank), f("nope", c.nope), f("rope", c.rope), f("value", c.value);
  }
  template <class C, class F> static constexpr void later(C& c, F&& f) {
    f("further", c.further), f("further_weight", c.further_weight);
  }
};

/// {{what a dense decoder has}, {the mixture}, {the latents}}.
template <class Style> using MlaDecoderConfig = DecoderConfigWith<Style, Mixture<Style>, Latents>;

/// What scores are multiplied by where YaRN stretches positions by `factor`: m² / √columns with m = 0.1 mscale ln
/// factor
/// + 1 (DeepSeek-AI 2024, "DeepSeek-V2", section 3.1.4).
constexpr double yarn_score_scale(double factor, double mscale, int columns) {
  const double m = factor <= 1 ? 1 : 0.1 * mscale * rope_detail::log(factor) + 1;
  return m * m / square_root(static_cast<double>(columns));
}

template <auto c, bool Full>
requires std::is_base_of_v<Latents, std::remove_cvref_t<decltype(c)>>
struct decoder_attention_<c, Full> {
  using type = Mla<c.width,
                   MlaSizes{.heads = c.heads,
                            .query_rank = c.query_rank,
                            .rank = c.rank,
                            .nope = c.nope,
                            .rope = c.rope,
                            .value = c.value,
                            .scale = c.score_scale,
                            .turned = style_of<c>::rotary},
                   RopeShape{.base = c.base, .pairs = style_of<c>::pairs, .scaling = c.scaling}>;
};

/// One depth of the prediction of further tokens (DeepSeek-AI 2024, "DeepSeek-V3", section 2.2, equations 21 to 23): of
/// rows [h | e], what came before and the embedding of a later token, a layer of the trunk's kind, and a norm before
/// the head of all depths. Which h is the trunk's, after its last norm, and the files' order is [e | h].
template <auto c, class P, int Depth>
struct FurtherLayer : Seq<Concat<Seq<Columns<2 * c.width, c.width, c.width>, At<"enorm", typename P::Norm>>,
                                 Seq<Columns<2 * c.width, 0, c.width>, At<"hnorm", typename P::Norm>>>,
                          At<"eh_proj", Linear<2 * c.width, c.width, false>>, typename P::template Layer<true>,
                          At<"shared_head", At<"norm", typename P::Norm>>> {};

template <auto c, class P, class Indices> struct further_layers_;
template <auto c, class P, int... Depth> struct further_layers_<c, P, std::integer_sequence<int, Depth...>> {
  using type = Depths<
      Mtp<At<"model",
             At<"layers", At<moe_decoder_detail::layer_name("", c.layers + Depth, ""), FurtherLayer<c, P, Depth>>>>,
          Rate{c.further_weight / static_cast<float>(c.further)}>...>;
};
template <auto c, class P>
requires(moe_decoder_detail::depths_of(c) > 0) struct decoder_depths_<c, P>
    : further_layers_<c, P, std::make_integer_sequence<int, c.further>> {
};

struct DeepseekV2Style : MoeStyle {
  static constexpr ConfigNames names =
      in_files("deepseek_v2", "fauna::DeepseekV2", "fauna::DeepseekV2Config", "fauna/models/deepseek.hpp");
  static constexpr rope_pairs pairs = rope_pairs::interleaved;
  static constexpr label shared = "shared_experts";
  static constexpr Routing routing{.renormalised = false, .by = group_score::best};
};
using DeepseekV2Config = MlaDecoderConfig<DeepseekV2Style>;
template <DeepseekV2Config c> struct DeepseekV2 : MoeDecoder<c> {};

struct DeepseekV3Style : MoeStyle {
  static constexpr ConfigNames names =
      in_files("deepseek_v3", "fauna::DeepseekV3", "fauna::DeepseekV3Config", "fauna/models/deepseek.hpp");
  static constexpr rope_pairs pairs = rope_pairs::interleaved;
  static constexpr label shared = "shared_experts";
  static constexpr Routing routing{.balance = 0.0001F,
                                   .scores = router_scores::sigmoid,
                                   .scale = 2.5F,
                                   .corrected = true,
                                   .counting = {.scope = loss_scope::sequence}};
  static constexpr bool predicts_further = true;
};
using DeepseekV3Config = MlaDecoderConfig<DeepseekV3Style>;
template <DeepseekV3Config c> struct DeepseekV3 : MoeDecoder<c> {};

/// For characters.
using DeepseekV3Shakespeare = DeepseekV3<DeepseekV3Config{
    {.layers = 4, .heads = 4, .width = 128, .hidden = 352, .context = 64, .vocab = 65, .tied = true},
    {.experts = 16, .chosen = 3, .expert_hidden = 88, .shared_hidden = 88, .dense = 1},
    {.rank = 64, .nope = 32, .rope = 16, .value = 32}}>;
using DeepseekV2Shakespeare = DeepseekV2<DeepseekV2Config{
    {.layers = 4, .heads = 4, .width = 128, .hidden = 352, .context = 64, .vocab = 65, .tied = true},
    {.experts = 16, .chosen = 3, .expert_hidden = 88, .shared_hidden = 88, .dense = 1},
    {.rank = 64, .nope = 32, .rope = 16, .value = 32}}>;
using DeepseekV2Lite = DeepseekV2<DeepseekV2Config{
    {.layers = 27,
     .heads = 16,
     .width = 2048,
     .hidden = 10944,
     .context = 163840,
     .vocab = 102400,
     .scaling = {.kind = rope_scaling::yarn, .factor = 40, .high = 32, .original = 4096, .attention = 1},
     .score_scale = yarn_score_scale(40, 0.707, 192),
     .epsilon = 1e-6F},
    {.experts = 64, .chosen = 6, .expert_hidden = 1408, .shared_hidden = 2816, .dense = 1},
    {}}>;
/// With 0 tokens, or 1, that are predicted beside the next one.
constexpr DeepseekV3Config deepseek_v3_671b(int further) {
  return {{.layers = 61,
           .heads = 128,
           .width = 7168,
           .hidden = 18432,
           .context = 163840,
           .vocab = 129280,
           .scaling = {.kind = rope_scaling::yarn, .factor = 40, .high = 32, .original = 4096, .attention = 1},
           .score_scale = yarn_score_scale(40, 1, 192),
           .epsilon = 1e-6F},
          {.experts = 256,
           .chosen = 8,
           .expert_hidden = 2048,
           .shared_hidden = 2048,
           .dense = 3,
           .groups = 8,
           .kept_groups = 4},
          {.query_rank = 1536, .further = further}};
}
using DeepseekV3_671B = DeepseekV3<deepseek_v3_671b(0)>;
using DeepseekV3_671B_Mtp = DeepseekV3<deepseek_v3_671b(1)>;
/// Liu et al. 2025, "Muon is scalable for LLM training", section 3.5.
using Moonlight_16B_A3B = DeepseekV3<DeepseekV3Config{
    {.layers = 27, .heads = 16, .width = 2048, .hidden = 11264, .context = 8192, .vocab = 163840, .base = 50000},
    {.experts = 64, .chosen = 6, .expert_hidden = 1408, .shared_hidden = 2816, .dense = 1, .weight_scale = 2.446F},
    {}}>;
/// Kimi Team 2025, "Kimi K2: open agentic intelligence", section 2.3.
using KimiK2 = DeepseekV3<DeepseekV3Config{
    {.layers = 61,
     .heads = 64,
     .width = 7168,
     .hidden = 18432,
     .context = 131072,
     .vocab = 163840,
     .base = 50000,
     .scaling = {.kind = rope_scaling::yarn, .factor = 32, .high = 1, .original = 4096, .attention = 1},
     .score_scale = yarn_score_scale(32, 1, 192),
     .epsilon = 1e-6F},
    {.experts = 384, .chosen = 8, .expert_hidden = 2048, .shared_hidden = 2048, .dense = 1, .weight_scale = 2.827F},
    {.query_rank = 1536}}>;

}  // namespace fauna::inline v0
