// Initial values. An element's value is a function of its tensor's key and its own place in the whole tensor, so that a
// part of a tensor (a rank's share, a range of rows) is drawn without the rest and is the same.
#pragma once
#include <fauna/core/rng.hpp>

namespace fauna::inline v0 {

enum class draw : int { constant, normal, truncated_normal, uniform, orthogonal, log_column, inverse_softplus };

/// An initial distribution, with its two numbers: made by the functions below.
struct Init {
  draw form = draw::constant;
  float a = 0, b = 0;
  bool by_depth = false;  ///< b is divided by √(2 · layers)
  constexpr bool operator==(Init const&) const = default;
};
inline constexpr Init zeros{}, ones{.a = 1};
constexpr Init filled(float value) { return {.a = value}; }
constexpr Init normal(float deviation) { return {.form = draw::normal, .b = deviation}; }
/// For projections that write to the residual stream: the deviation divided by √(2 · layers) (Radford et al. 2019,
/// section 2.3).
constexpr Init residual_normal(float deviation) { return {.form = draw::normal, .b = deviation, .by_depth = true}; }
/// A normal distribution without what lies more than `cut` deviations from 0.
constexpr Init truncated_normal(float deviation, float cut = 2) {
  return {.form = draw::truncated_normal, .a = cut, .b = deviation};
}
constexpr Init uniform(float from, float to) { return {.form = draw::uniform, .a = from, .b = to}; }
/// Orthonormal rows, or columns where those are fewer, times `gain` (Saxe, McClelland, Ganguli 2013).
constexpr Init orthogonal(float gain = 1) { return {.form = draw::orthogonal, .b = gain}; }
/// log(1 + column): the logarithm of S4D-Real's rates (Gu et al. 2022).
constexpr Init log_column() { return {.form = draw::log_column}; }
/// softplus⁻¹ of numbers whose logarithm is uniform between those of `from` and `to`: step sizes (Gu and Dao 2023,
/// section 3.6).
constexpr Init inverse_softplus(float from, float to) { return {.form = draw::inverse_softplus, .a = from, .b = to}; }

/// √x for the compiler, which std::sqrt is not for: Newton's iteration, as exact as S.
template <class S> constexpr S square_root(S x) {
  S root = 1;
  for (int i = 0; i < 60; ++i) root = S(0.5) * (root + x / root);
  return root;
}

/// What is to be filled: rows [from, to) of a tensor of rows x cols in all, in a model of so many layers.
struct Filling {
  Key key{};
  int rows = 0, cols = 0, from = 0, to = 0, layer = 0, layers = 0;
  std::uint64_t index(int r, int c) const {
    return static_cast<std::uint64_t>(r) * static_cast<std::uint64_t>(cols) + static_cast<std::uint64_t>(c);
  }
  /// f(row, column) for each element, in order.
  template <class F> void each(float* to_, F&& f) const {
    for (int r = from; r < to; ++r)
      for (int c = 0; c < cols; ++c) *to_++ = static_cast<float>(f(r, c));
  }
};

}  // namespace fauna::inline v0
