// What the families of Mamba share: layers of x + mixer(norm(x)), and the names of their files.
#pragma once
#include <type_traits>
#include <vector>

#include <fauna/blocks/norm.hpp>
#include <fauna/compose/residual.hpp>
#include <fauna/compose/stack.hpp>
#include <fauna/core/pieces.hpp>
#include <fauna/models/lm.hpp>

namespace fauna::inline v0 {

/// x + mixer(norm(x)).
template <int Width, class Mixer, Epsilon E>
struct MambaLayer : Residual<Seq<At<"norm", RmsNorm<Width, E>>, At<"mixer", Mixer>>> {};

/// From embedded tokens to the last norm.
template <int Layers, int Width, class Mixer, Epsilon E>
struct MambaTrunk : Seq<At<"layers", Stack<0, Layers, MambaLayer<Width, Mixer, E>>>, At<"norm_f", RmsNorm<Width, E>>> {
};

template <bool Tied, int Width, int Vocab>
using MambaHead = std::conditional_t<Tied, TiedHead<Width, Vocab>, At<"lm_head", LmHead<Width, Vocab>>>;

/// Names are those of transformers; checkpoints of mamba_ssm itself call the token table otherwise.
struct MambaNames {
  static constexpr const char* table = "backbone.embeddings.weight";
  static std::vector<Piece> as_mamba_ssm(Tensor const& t) {
    auto pieces = pieces_of(t);
    for (auto& p : pieces)
      if (p.name == table) p.name = "backbone.embedding.weight";
    return pieces;
  }
  static constexpr Dialect dialects[] = {{"transformers", "*embeddings.weight", nullptr},
                                         {"mamba_ssm", "*embedding.weight", as_mamba_ssm},
                                         {"transformers, the table under the head's name", "lm_head.weight", nullptr}};
};

}  // namespace fauna::inline v0
