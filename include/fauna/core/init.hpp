// Initial values. An element's value is a function of its tensor's key and its own place in the whole tensor, so that a
// part of a tensor (a rank's share, a range of rows) is drawn without the rest and is the same.
#pragma once
#include <cmath>
#include <vector>

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

/// The whole matrix by Gram and Schmidt, twice, in double; rows are longer than they are many, or the roles change.
inline void fill_orthogonal(Filling const& f, double gain, float* to) {
  const bool wide = f.rows <= f.cols;
  const int n = wide ? f.rows : f.cols, length = wide ? f.cols : f.rows;
  const auto at = [length](int v, int i) {
    return static_cast<std::size_t>(v) * static_cast<std::size_t>(length) + static_cast<std::size_t>(i);
  };
  std::vector<double> q(at(n, 0));
  for (int v = 0; v < n; ++v) {
    for (int i = 0; i < length; ++i)
      q[at(v, i)] = static_cast<double>(f.key.normal(wide ? f.index(v, i) : f.index(i, v)));
    for (int twice = 0; twice < 2; ++twice) {
      for (int u = 0; u < v; ++u) {
        double dot = 0;
        for (int i = 0; i < length; ++i) dot += q[at(u, i)] * q[at(v, i)];
        for (int i = 0; i < length; ++i) q[at(v, i)] -= dot * q[at(u, i)];
      }
      double norm = 0;
      for (int i = 0; i < length; ++i) norm += q[at(v, i)] * q[at(v, i)];
      for (int i = 0; i < length; ++i) q[at(v, i)] /= std::sqrt(norm);
    }
  }
  f.each(to, [&](int r, int c) { return gain * (wide ? q[at(r, c)] : q[at(c, r)]); });
}

/// Writes those rows, [to - from, cols], one after another.
inline void fill(Init const& init, Filling const& f, float* to) {
  const double a = static_cast<double>(init.a), depth = init.by_depth && f.layers > 0 ? std::sqrt(2.0 * f.layers) : 1,
               b = static_cast<double>(init.b) / depth;
  const auto uniform = [&](int r, int c) { return static_cast<double>(f.key.uniform(f.index(r, c))); };
  switch (init.form) {
    case draw::constant: f.each(to, [&](int, int) { return a; }); break;
    case draw::normal: {
      const float deviation = static_cast<float>(b);
      f.each(to, [&](int r, int c) { return deviation * f.key.normal(f.index(r, c)); });
      break;
    }
    case draw::truncated_normal:
      f.each(to, [&](int r, int c) {
        Key again = f.key;  // a draw too far away is made anew
        for (std::uint64_t i = 0;; again = f.key.child(i++))
          if (const double x = static_cast<double>(again.normal(f.index(r, c))); std::fabs(x) <= a) return b * x;
      });
      break;
    case draw::uniform: f.each(to, [&](int r, int c) { return a + (b - a) * uniform(r, c); }); break;
    case draw::orthogonal: fill_orthogonal(f, b, to); break;
    case draw::log_column: f.each(to, [](int, int c) { return std::log(1.0 + c); }); break;
    case draw::inverse_softplus:
      f.each(to, [&](int r, int c) {
        const double x = std::exp(std::log(a) + (std::log(b) - std::log(a)) * uniform(r, c));
        return x + std::log(-std::expm1(-x));
      });
      break;
  }
}

}  // namespace fauna::inline v0
