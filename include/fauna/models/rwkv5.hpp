// RWKV-5.2 (Peng et al. 2024, "Eagle and Finch: RWKV with matrix-valued states and dynamic recurrence", Eagle). Names
// are those of the author's .pth files.
#pragma once
#include <fauna/blocks/rwkv5.hpp>
#include <fauna/models/rwkv_frame.hpp>

namespace fauna::inline v0 {

/// The defaults are those of RWKV-5-World 0.1B.
struct Rwkv5Config {
  int layers = 12;    ///< two or more
  int heads = 12;     ///< of the recurrence; published models have heads of 64 columns
  int width = 768;    ///< columns of the residual stream
  int hidden = 2688;  ///< columns inside the channel mix: 3.5 times the width, cut to a multiple of 32
  int divisor = 8;    ///< of heads before their norm, which leaves all but its ε: 1e-5 divisor²
  int vocab = 65536;  ///< rows of the token table, and of the head

  static constexpr bool tied = false;
  constexpr bool operator==(Rwkv5Config const&) const = default;
  static constexpr ConfigNames names{"rwkv5",      "fauna::Rwkv5", "fauna::Rwkv5Config", "fauna/models/rwkv5.hpp",
                                     "emb.weight", "head.weight"};
  template <class C, class F> static constexpr void each(C& c, F&& f) {
    f("layers", c.layers), f("heads", c.heads), f("width", c.width), f("hidden", c.hidden);
    f("divisor", c.divisor), f("vocab", c.vocab);
  }
};

template <Rwkv5Config c>
using Rwkv5Layer = RwkvLayer<c.width, Rwkv5TimeMix<c.width, c.heads, c.layers, Epsilon{1e-5F * c.divisor * c.divisor}>,
                             Rwkv5ChannelMix<c.width, c.hidden, c.layers>>;

/// Its state has one size, whatever the length of a text.
template <Rwkv5Config c>
struct Rwkv5
    : Lm<RwkvEmbedding<c.width, c.vocab>, RwkvTrunk<c.layers, c.width, Rwkv5Layer<c>>, RwkvHead<c.width, c.vocab>> {
  static constexpr Rwkv5Config config = c;
};

/// For characters, as large as nanoGPT's CPU model.
using Rwkv5Shakespeare = Rwkv5<Rwkv5Config{.layers = 6, .heads = 3, .width = 96, .hidden = 384, .vocab = 65}>;
using Rwkv5_0_1B = Rwkv5<Rwkv5Config{}>;
using Rwkv5_0_4B = Rwkv5<Rwkv5Config{.layers = 24, .heads = 16, .width = 1024, .hidden = 3584}>;
using Rwkv5_1_5B = Rwkv5<Rwkv5Config{.layers = 24, .heads = 32, .width = 2048, .hidden = 7168}>;
using Rwkv5_3B = Rwkv5<Rwkv5Config{.layers = 32, .heads = 40, .width = 2560, .hidden = 8960}>;
using Rwkv5_7B = Rwkv5<Rwkv5Config{.layers = 32, .heads = 64, .width = 4096, .hidden = 14336}>;

}  // namespace fauna::inline v0
