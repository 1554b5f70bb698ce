// What configs say of Mamba's mixers where those are some of a model's layers (models/hybrid.hpp).
#pragma once
#include <fauna/blocks/mamba.hpp>
#include <fauna/blocks/mamba2.hpp>

namespace fauna::inline v0 {

struct MambaNumbers {
  int inner = 8192;         ///< channels of the recurrence
  int states = 16;          ///< numbers that a channel carries
  int rank = 256;           ///< of the step sizes
  int taps = 4;             ///< of the convolution
  bool mixer_bias = false;  ///< of the outer projections

  constexpr bool operator==(MambaNumbers const&) const = default;
  template <class C, class F> static constexpr void each(C& c, F&& f) {
    f("inner", c.inner), f("states", c.states), f("rank", c.rank), f("taps", c.taps), f("mixer_bias", c.mixer_bias);
  }
};

struct Mamba2Numbers {
  int mixer_heads = 128;     ///< of the recurrence
  int mixer_head_size = 64;  ///< columns of such a head
  int states = 128;          ///< numbers that each column of a head carries
  int mixer_groups = 1;      ///< of heads, which share B and C and are normalised together
  int taps = 4;              ///< of the convolution
  bool conv_bias = true;
  bool mixer_bias = false;  ///< of the outer projections

  constexpr bool operator==(Mamba2Numbers const&) const = default;
  template <class C, class F> static constexpr void each(C& c, F&& f) {
    f("mixer_heads", c.mixer_heads), f("mixer_head_size", c.mixer_head_size), f("states", c.states);
    f("mixer_groups", c.mixer_groups), f("taps", c.taps), f("conv_bias", c.conv_bias), f("mixer_bias", c.mixer_bias);
  }
};

/// The sizes of a mixer whose norm adds epsilon. (No member: GCC 12 does not call those of a template argument's
/// bases.)
constexpr Mamba2Sizes mamba2_sizes(Mamba2Numbers const& n, float epsilon) {
  return {n.mixer_heads, n.mixer_head_size, n.states, n.mixer_groups, n.taps, n.conv_bias, true, Epsilon{epsilon}};
}

}  // namespace fauna::inline v0
