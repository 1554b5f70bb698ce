// Dual numbers: v + d·ε with ε² = 0. Run a scalar-generic forward pass on them and d is the exact directional
// derivative, to rounding: the oracle of every backward pass here. No step size, no truncation error.
#pragma once
#include <cmath>
#include <compare>

#include <fauna/core/version.hpp>

namespace fauna::inline v0 {

struct Dual {
  double v{}, d{};
  Dual() = default;
  constexpr Dual(double value, double derivative = 0) : v(value), d(derivative) {}
  constexpr explicit operator double() const { return v; }
  constexpr explicit operator float() const { return static_cast<float>(v); }

  friend constexpr Dual operator-(Dual a) { return {-a.v, -a.d}; }
  friend constexpr Dual operator+(Dual a, Dual b) { return {a.v + b.v, a.d + b.d}; }
  friend constexpr Dual operator-(Dual a, Dual b) { return {a.v - b.v, a.d - b.d}; }
  friend constexpr Dual operator*(Dual a, Dual b) { return {a.v * b.v, a.d * b.v + a.v * b.d}; }
  friend constexpr Dual operator/(Dual a, Dual b) { return {a.v / b.v, (a.d * b.v - a.v * b.d) / (b.v * b.v)}; }
  constexpr Dual& operator+=(Dual b) { return *this = *this + b; }
  constexpr Dual& operator-=(Dual b) { return *this = *this - b; }
  constexpr Dual& operator*=(Dual b) { return *this = *this * b; }
  constexpr Dual& operator/=(Dual b) { return *this = *this / b; }
  // Comparisons look at the value only: a branch has no derivative.
  friend constexpr bool operator==(Dual a, Dual b) { return a.v == b.v; }
  friend constexpr auto operator<=>(Dual a, Dual b) { return a.v <=> b.v; }

  friend Dual exp(Dual a) {
    const double e = std::exp(a.v);
    return {e, e * a.d};
  }
  friend Dual log(Dual a) { return {std::log(a.v), a.d / a.v}; }
  friend Dual sqrt(Dual a) {
    const double s = std::sqrt(a.v);
    return {s, a.d / (2 * s)};
  }
  friend Dual tanh(Dual a) {
    const double t = std::tanh(a.v);
    return {t, a.d * (1 - t * t)};
  }
  friend Dual sin(Dual a) { return {std::sin(a.v), a.d * std::cos(a.v)}; }
  friend Dual cos(Dual a) { return {std::cos(a.v), -a.d * std::sin(a.v)}; }
  friend Dual erf(Dual a) {
    return {std::erf(a.v), a.d * 1.1283791670955125739 * std::exp(-a.v * a.v)};  // 2/sqrt(pi) exp(-x^2)
  }
};

}  // namespace fauna::inline v0
