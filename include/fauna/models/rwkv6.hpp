// RWKV-6 (Peng et al. 2024, "Eagle and Finch: RWKV with matrix-valued states and dynamic recurrence", Finch). Names are
// those of the author's .pth files.
#pragma once
#include <fauna/blocks/rwkv6.hpp>
#include <fauna/models/rwkv_frame.hpp>

namespace fauna::inline v0 {

/// The defaults are those of RWKV-6-World 0.1B.
struct Rwkv6Config {
  int layers = 12;    ///< two or more
  int heads = 12;     ///< of the recurrence; published models have heads of 64 columns
  int width = 768;    ///< columns of the residual stream
  int hidden = 2688;  ///< columns inside the channel mix: 3.5 times the width, cut to a multiple of 32
  int mix = 32;       ///< ranks of what makes mixes
  int decay = 64;     ///< and decays
  int divisor = 8;    ///< of heads before their norm, which leaves all but its ε: 1e-5 divisor²
  int vocab = 65536;  ///< rows of the token table, and of the head

  static constexpr bool tied = false;
  constexpr bool operator==(Rwkv6Config const&) const = default;
  static constexpr ConfigNames names{"rwkv6",      "fauna::Rwkv6", "fauna::Rwkv6Config", "fauna/models/rwkv6.hpp",
                                     "emb.weight", "head.weight"};
  template <class C, class F> static constexpr void each(C& c, F&& f) {
    f("layers", c.layers), f("heads", c.heads), f("width", c.width), f("hidden", c.hidden);
    f("mix", c.mix), f("decay", c.decay), f("divisor", c.divisor), f("vocab", c.vocab);
  }
};

template <Rwkv6Config c>
using Rwkv6Layer = RwkvLayer<
    c.width,
    Rwkv6TimeMix<c.width, c.heads, Rwkv6Ranks{c.mix, c.decay}, c.layers, Epsilon{1e-5F * c.divisor * c.divisor}>,
    Rwkv6ChannelMix<c.width, c.hidden, c.layers>>;

/// Its state has one size, whatever the length of a text.
template <Rwkv6Config c>
struct Rwkv6
    : Lm<RwkvEmbedding<c.width, c.vocab>, RwkvTrunk<c.layers, c.width, Rwkv6Layer<c>>, RwkvHead<c.width, c.vocab>> {
  static constexpr Rwkv6Config config = c;
};

/// For characters, as large as nanoGPT's CPU model.
using Rwkv6Shakespeare =
    Rwkv6<Rwkv6Config{.layers = 6, .heads = 3, .width = 96, .hidden = 336, .mix = 8, .decay = 16, .vocab = 65}>;
using Rwkv6_0_1B = Rwkv6<Rwkv6Config{}>;
using Rwkv6_0_4B = Rwkv6<Rwkv6Config{.layers = 24, .heads = 16, .width = 1024, .hidden = 3584}>;
using Rwkv6_1_5B = Rwkv6<Rwkv6Config{.layers = 24, .heads = 32, .width = 2048, .hidden = 7168}>;
using Rwkv6_3B = Rwkv6<Rwkv6Config{.layers = 32, .heads = 40, .width = 2560, .hidden = 8960}>;
using Rwkv6_7B = Rwkv6<Rwkv6Config{.layers = 32, .heads = 64, .width = 4096, .hidden = 14336, .mix = 64, .decay = 128}>;
using Rwkv6_14B =
    Rwkv6<Rwkv6Config{.layers = 61, .heads = 64, .width = 4096, .hidden = 14336, .mix = 64, .decay = 128}>;

}  // namespace fauna::inline v0
