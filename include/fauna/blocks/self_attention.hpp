// SelfAttention: causal attention with its projections, and what families put between them.
//   q, k, v = clip(x W_qᵀ, x W_kᵀ, x W_vᵀ), q and k normed, then turned by their positions;  y = attention(q, k, v)
//   W_oᵀ
#pragma once
#include <fauna/blocks/attention.hpp>
#include <fauna/blocks/clamped.hpp>
#include <fauna/blocks/heads.hpp>
#include <fauna/blocks/rope.hpp>
#include <fauna/blocks/rotary_attention.hpp>
#include <fauna/blocks/tempered.hpp>
#include <fauna/compose/by_group.hpp>
#include <fauna/compose/concat.hpp>
#include <fauna/compose/present.hpp>

namespace fauna::inline v0 {

/// The parts' names in checkpoints; with a name for `fused`, one projection gives rows of [q | k | v]. `by_group`: in
/// files its rows are [key head][its queries, k, v][column].
struct SelfAttentionNames {
  static constexpr bool by_group = false;
  static constexpr label q = "q_proj", k = "k_proj", v = "v_proj", out = "o_proj", fused = "";
  static constexpr label q_norm = "q_norm", k_norm = "k_norm";
};

struct SelfAttentionForm {
  bool qkv_bias = false, out_bias = false;
  QkNorm norm{};
  bool positions = true;  ///< else none at all (Kazemnejad et al. 2023, "NoPE")
  RopeShape rope{};
  Scores scores{};
  Clip clip{};                ///< of queries, keys and values, before they are turned
  Temperature temperature{};  ///< of queries
  constexpr bool operator==(SelfAttentionForm const&) const = default;
};

namespace self_attention_detail {

template <qk_norm Over, int NHeads, int HeadSize, QkNorm N> struct norm_ { using type = void; };
template <int NHeads, int HeadSize, QkNorm N> struct norm_<qk_norm::full, NHeads, HeadSize, N> {
  using type = RmsNorm<NHeads * HeadSize, Epsilon{N.epsilon}, N.offset>;
};
template <int NHeads, int HeadSize, QkNorm N> struct norm_<qk_norm::head, NHeads, HeadSize, N> {
  using type = HeadNorm<NHeads, RmsNorm<HeadSize, Epsilon{N.epsilon}, N.offset>>;
};
template <int NHeads, int HeadSize, QkNorm N> struct norm_<qk_norm::unit, NHeads, HeadSize, N> {
  using type = UnitHeads<NHeads, HeadSize, Epsilon{N.epsilon}>;
};
/// A projection to heads, and its norm.
template <label Name, label NormName, class Projection, class Norm> struct normed_ {
  using type = Seq<At<Name, Projection>, At<NormName, Norm>>;
};
template <label Name, label NormName, class Projection> struct normed_<Name, NormName, Projection, void> {
  using type = At<Name, Projection>;
};

/// Q: the projection to queries, where there are three.
template <class Names, int Width, int NHeads, int KvHeads, int HeadSize, SelfAttentionForm F,
          class Q = Linear<Width, NHeads * HeadSize, F.qkv_bias>>
struct projections_ {
  using QNorm = typename norm_<F.norm.over, NHeads, HeadSize, F.norm>::type;
  using KNorm = typename norm_<F.norm.over, KvHeads, HeadSize, F.norm>::type;
  using K = Linear<Width, KvHeads * HeadSize, F.qkv_bias>;
  using type = Concat<typename normed_<Names::q, Names::q_norm, Q, QNorm>::type,
                      typename normed_<Names::k, Names::k_norm, K, KNorm>::type, At<Names::v, K>>;
};
template <class Names, int Width, int NHeads, int KvHeads, int HeadSize, SelfAttentionForm F, class Q>
requires(!nameless(Names::fused) &&
         Names::by_group) struct projections_<Names, Width, NHeads, KvHeads, HeadSize, F, Q> {
  using type = At<Names::fused,
                  ByGroup<NHeads, KvHeads, HeadSize, Linear<Width, (NHeads + 2 * KvHeads) * HeadSize, F.qkv_bias>>>;
};
template <class Names, int Width, int NHeads, int KvHeads, int HeadSize, SelfAttentionForm F, class Q>
requires(!nameless(Names::fused) &&
         !Names::by_group) struct projections_<Names, Width, NHeads, KvHeads, HeadSize, F, Q> {
  using type = At<Names::fused, Linear<Width, (NHeads + 2 * KvHeads) * HeadSize, F.qkv_bias>>;
};

template <bool Sinks, int NHeads, int KvHeads, int HeadSize, Scores How> struct core_ {
  using type = AttentionCore<NHeads, KvHeads, HeadSize, Rate{}, How>;
};
template <int NHeads, int KvHeads, int HeadSize, Scores How> struct core_<true, NHeads, KvHeads, HeadSize, How> {
  using type = SinkAttention<NHeads, KvHeads, HeadSize, Rate{}, How>;
};

}  // namespace self_attention_detail

template <class Names, int Width, int NHeads, int KvHeads, int HeadSize, SelfAttentionForm F = SelfAttentionForm{}>
struct SelfAttention
    : present<typename self_attention_detail::projections_<Names, Width, NHeads, KvHeads, HeadSize, F>::type,
              clamped_if<(NHeads + 2 * KvHeads) * HeadSize, F.clip>,
              std::conditional_t<F.positions, Rope<NHeads, KvHeads, HeadSize, F.rope>, void>,
              tempered_if<NHeads, KvHeads, HeadSize, F.temperature>,
              typename self_attention_detail::core_<F.scores.sinks, NHeads, KvHeads, HeadSize, F.scores>::type,
              At<Names::out, Linear<NHeads * HeadSize, Width, F.out_bias>>> {};

}  // namespace fauna::inline v0
