// The channel mix of RWKV-4, 5 and 6 (Peng et al. 2023, "RWKV: Reinventing RNNs for the Transformer era", equations 20
// to 22):
//   out = σ(x_r W_rᵀ) ∘ (max(x_k W_kᵀ, 0)² W_vᵀ)      x_c mixed with the row before (blocks/token_shift.hpp)
#pragma once
#include <fauna/blocks/activation.hpp>
#include <fauna/blocks/gated.hpp>
#include <fauna/blocks/linear.hpp>
#include <fauna/blocks/token_shift.hpp>
#include <fauna/compose/at.hpp>
#include <fauna/compose/beside.hpp>
#include <fauna/compose/seq.hpp>

namespace fauna::inline v0 {

/// Rows of Width columns to rows of Width, with Hidden between; R and K are the mixes of receptance and key, Start the
/// initial values of the key's matrix. Its state: the last row of the input.
template <int Width, int Hidden, int Layers, Mix R, Mix K, Init Start>
struct RwkvChannelMix : Seq<TokenShift<"time_mix_rk", Width, Layers, R, K>,
                            Beside<At<"receptance", Linear<Width, Width, false, zeros>>,
                                   Seq<At<"key", Linear<Width, Hidden, false, Start>>, ReluSquared<Hidden>,
                                       At<"value", Linear<Hidden, Width, false, zeros>>>>,
                            Gated<activation::sigmoid, Width>> {};

}  // namespace fauna::inline v0
