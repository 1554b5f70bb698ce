// Zamba2 (Glorioso et al. 2024, "The Zamba2 suite: Technical report", section 2): layers of Mamba-2, into some of which
// a block of attention and MLP adds before the mixer reads. The block reads the layer's rows beside the embedded
// tokens; its weights are shared by all such layers, or by every second of them, with a low-rank addition for each use.
//   y = x + mamba(norm(x + W block([x | embedded])))      block(u) = mlp(norm(attention(norm(u))))
// transformers keeps steps of a prefill, but not those of a single token, above time_step_min; here no step is changed,
// as in the authors' implementation.
#pragma once
#include <fauna/blocks/mamba2.hpp>
#include <fauna/blocks/stream.hpp>
#include <fauna/compose/share.hpp>
#include <fauna/models/hybrid.hpp>

namespace fauna::inline v0 {

struct Zamba2Numbers {
  int ssm_heads = 64, ssm_size = 64;  ///< of the recurrence; columns of a head
  int states = 64, groups = 1, taps = 4;
  int blocks = 1;                  ///< shared ones, which take turns
  int adapter_rank = 128;          ///< of what each use adds to the first matrix of the MLP
  bool attention_adapters = true;  ///< the same of queries, keys and values
  bool positions = true;           ///< heads are turned by them

  constexpr bool operator==(Zamba2Numbers const&) const = default;
  template <class C, class F> static constexpr void each(C& c, F&& f) {
    f("ssm_heads", c.ssm_heads), f("ssm_size", c.ssm_size), f("states", c.states), f("groups", c.groups);
    f("taps", c.taps), f("blocks", c.blocks), f("adapter_rank", c.adapter_rank);
    f("attention_adapters", c.attention_adapters), f("positions", c.positions);
  }
};

namespace zamba2_detail {

constexpr label block_name(int block) {
  label name = "shared0";
  name.c[6] = static_cast<char>('0' + block);
  return name;
}

/// The tensors of a shared block, in the order of `part`.
enum part : std::size_t { input_norm, q, k, v, o, mlp_norm, gate_up, down };
template <auto c> struct Shared {
  static constexpr int inner = c.heads * c.head_size;
  using InputNorm = At<"input_layernorm", RmsNorm<2 * c.width, Epsilon{c.epsilon}>>;
  template <label Name, int Out> struct Projection : At<"self_attn", At<Name, Linear<2 * c.width, Out, false>>> {};
  using O = At<"self_attn", At<"o_proj", Linear<inner, c.width, false>>>;
  using MlpNorm = At<"pre_ff_layernorm", RmsNorm<c.width, Epsilon{c.epsilon}>>;
  using GateUp = At<"feed_forward", At<"gate_up_proj", Linear<c.width, 2 * c.hidden, false>>>;
  using Down = At<"feed_forward", At<"down_proj", Linear<c.hidden, c.width, false>>>;
  using All = Seq<InputNorm, Projection<"q_proj", inner>, Projection<"k_proj", inner>, Projection<"v_proj", inner>, O,
                  MlpNorm, GateUp, Down>;  // run part by part
};

/// A low-rank product of this use alone: its place in files is a number in a list.
template <label Module, label List, int In, int Rank, int Out>
struct Adapter
    : At<Module, At<List, At<"own", Seq<At<"0", Linear<In, Rank, false>>, At<"1", Linear<Rank, Out, false>>>>>> {};
template <class Part, class Own, bool Adapted> struct adapted_ { using type = Part; };
template <class Part, class Own> struct adapted_<Part, Own, true> { using type = Parallel<Part, Own>; };

/// The block, with what this use has of its own.
template <auto c, int Block> struct block_ {
  using S = Shared<c>;
  static constexpr label name = block_name(Block);
  static constexpr int inner = S::inner;
  template <part P, label Name, label List> struct projection_ {
    using type =
        typename adapted_<UsePart<name, P, typename S::template Projection<Name, inner>>,
                          Adapter<"self_attn", List, 2 * c.width, c.adapter_rank, inner>, c.attention_adapters>::type;
  };
  using type = present<
      UsePart<name, input_norm, typename S::InputNorm>,
      Concat<typename projection_<q, "q_proj", "linear_q_adapter_list">::type,
             typename projection_<k, "k_proj", "linear_k_adapter_list">::type,
             typename projection_<v, "v_proj", "linear_v_adapter_list">::type>,
      std::conditional_t<c.positions,
                         Rope<c.heads, c.heads, c.head_size, RopeShape{.base = c.base, .scaling = c.scaling}>, void>,
      typename self_attention_detail::core_<false, c.heads, c.heads, c.head_size,
                                            Scores{.scale =
                                                       1 / square_root(static_cast<double>(c.head_size) / 2)}>::type,
      UsePart<name, o, typename S::O>, UsePart<name, mlp_norm, typename S::MlpNorm>,
      Parallel<UsePart<name, gate_up, typename S::GateUp>,
               Adapter<"feed_forward", "gate_up_proj_adapter_list", c.width, c.adapter_rank, 2 * c.hidden>>,
      Gated<c.act, c.hidden>, UsePart<name, down, typename S::Down>>;
};

template <auto c> struct mixer_ {
  static constexpr Mamba2Sizes sizes{
      .heads = c.ssm_heads, .size = c.ssm_size, .states = c.states, .groups = c.groups, .taps = c.taps};
  using type =
      Seq<At<"input_layernorm", RmsNorm<c.width, Epsilon{c.epsilon}>>, At<"mamba", Mamba2Mixer<c.width, sizes>>>;
};

}  // namespace zamba2_detail

/// Letters of mixers: 'm', Mamba-2; 'A', 'B', ..., the same behind the first shared block, the second, ...
struct Zamba2Style : HybridStyle {
  static constexpr ConfigNames names =
      in_files("zamba2", "fauna::Zamba2", "fauna::Zamba2Config", "fauna/models/zamba2.hpp");
  static constexpr label attention_before = "", final_norm = "final_layernorm";  // norms stand in the mixers
  template <auto c, char Letter> static constexpr auto mixer_of() {
    using Mixer = typename zamba2_detail::mixer_<c>::type;
    if constexpr (Letter == 'm') {
      return std::type_identity<Mixer>{};
    } else if constexpr (Letter >= 'A' && Letter <= 'I') {
      using Block = typename zamba2_detail::block_<c, Letter - 'A'>::type;
      return std::type_identity<Seq<Residual<Seq<WithStream<"embedded", c.width>, At<"shared_transformer", Block>,
                                                 At<"linear", Linear<c.width, c.width, false>>>>,
                                    At<"mamba_decoder", Mixer>>>{};
    } else {
      return HybridStyle::mixer_of<c, Letter>();
    }
  }
};
using Zamba2Config = HybridConfig<Zamba2Style, Zamba2Numbers>;

namespace zamba2_detail {

/// In files a shared block stands in the first layer that has it, and there what each use adds, by its number among
/// all uses of all blocks.
template <Zamba2Config c> struct SharedBlocks {
  static constexpr auto config = c;
  static std::vector<Piece> pieces(Tensor const& t) {
    Piece p = whole_piece(t);
    const auto replace = [&p](std::string const& from, std::string const& to) {
      if (const std::size_t at = p.name.find(from); at != std::string::npos) p.name.replace(at, from.size(), to);
    };
    const auto first = [](char letter) {
      int l = 0;
      while (config.mixers.of(l) != letter) ++l;
      return '.' + std::to_string(l) + ".shared_transformer.";
    };
    for (int b = 0; b < c.blocks; ++b)
      replace('.' + std::string(block_name(b).view()) + '.', first(static_cast<char>('A' + b)));
    if (p.name.find(".own.") == std::string::npos) return {p};
    int use = 0;
    for (int l = 0; l < t.at.layer; ++l) use += config.mixers.of(l) != 'm';
    replace(".own.", '.' + std::to_string(use) + '.');
    replace('.' + std::to_string(t.at.layer) + ".shared_transformer.", first(config.mixers.of(t.at.layer)));
    return {p};
  }
};

/// The stack of layers within the first Blocks blocks.
template <Zamba2Config c, int Blocks, class Layers> struct sharing_ {
  using type = Share<block_name(Blocks - 1), typename Shared<c>::All, typename sharing_<c, Blocks - 1, Layers>::type>;
};
template <Zamba2Config c, class Layers> struct sharing_<c, 0, Layers> { using type = Layers; };

}  // namespace zamba2_detail

template <Zamba2Config c> struct Zamba2Parts : HybridParts<c> {
  using Base = HybridParts<c>;
  using Layers = typename zamba2_detail::sharing_<c, c.blocks, typename Base::Layers>::type;
  using Trunk = Carry<"embedded", c.width,
                      Seq<Publish<"embedded", c.width>, At<"layers", InPieces<zamba2_detail::SharedBlocks<c>, Layers>>,
                          At<"final_layernorm", typename Base::Norm>>>;
};
template <Zamba2Config c> struct Zamba2Trunk : Zamba2Parts<c>::Trunk {};
template <Zamba2Config c> struct Zamba2 : DecoderOf<c, Zamba2Trunk<c>, Zamba2Parts<c>> {};

using Zamba2_1_2B = Zamba2<Zamba2Config{{.layers = 38,
                                         .heads = 32,
                                         .kv_heads = 32,
                                         .head_size = 128,
                                         .width = 2048,
                                         .hidden = 8192,
                                         .context = 4096,
                                         .vocab = 32000,
                                         .tied = true,
                                         .act = activation::gelu},
                                        {.mixers = "mmmmmAmmmmmAmmmmmAmmmmmAmmmmmAmmmmmAmm", .mlps = "-"},
                                        {.ssm_heads = 64, .states = 128}}>;
/// For characters: as many parameters as nanoGPT's CPU model has.
using Zamba2Shakespeare = Zamba2<Zamba2Config{{.layers = 4,
                                               .heads = 4,
                                               .kv_heads = 4,
                                               .head_size = 64,
                                               .width = 128,
                                               .hidden = 192,
                                               .context = 64,
                                               .vocab = 65,
                                               .tied = true,
                                               .act = activation::gelu},
                                              {.mixers = "mA", .mlps = "-"},
                                              {.ssm_heads = 4, .states = 32, .adapter_rank = 8}}>;

}  // namespace fauna::inline v0
