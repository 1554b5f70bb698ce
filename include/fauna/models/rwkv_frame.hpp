// What RWKV models of all versions have around their mixers: x + time mix(norm(x)), then x + channel mix(norm(x)); a
// norm more before the first layer and after the last; a head of its own. Names are those of the author's .pth files.
#pragma once
#include <fauna/blocks/embedding.hpp>
#include <fauna/blocks/norm.hpp>
#include <fauna/compose/residual.hpp>
#include <fauna/compose/stack.hpp>
#include <fauna/compose/starts_as.hpp>
#include <fauna/core/concepts.hpp>
#include <fauna/core/pieces.hpp>
#include <fauna/models/lm.hpp>

namespace fauna::inline v0 {

template <int Width, class TimeMix, class ChannelMix, label Time = "att", label Channel = "ffn">
struct RwkvLayer : Seq<Residual<Seq<At<"ln1", LayerNorm<Width>>, At<Time, TimeMix>>>,
                       Residual<Seq<At<"ln2", LayerNorm<Width>>, At<Channel, ChannelMix>>>> {};

/// From embedded tokens to the last norm, through Layers of one type, two or more.
template <int Layers, int Width, class Layer, label First = "ln0">
struct RwkvTrunk : Seq<At<"blocks", Seq<At<"0", Seq<At<First, LayerNorm<Width>>, Layer>>, Stack<1, Layers - 1, Layer>>>,
                       At<"ln_out", LayerNorm<Width>>> {};

template <int Width, int Vocab, label Name = "emb">
using RwkvEmbedding = At<Name, StartsAs<uniform(-1e-4F, 1e-4F), Embedding<Vocab, Width>>>;

/// Orthogonal, a row longer where there are more rows than columns.
template <int Width, int Vocab>
inline constexpr Init rwkv_head = orthogonal(0.5F *
                                             square_root(Vocab > Width ? static_cast<float>(Vocab) / Width : 1.0F));
template <int Width, int Vocab> using RwkvHead = At<"head", StartsAs<rwkv_head<Width, Vocab>, LmHead<Width, Vocab>>>;

}  // namespace fauna::inline v0
