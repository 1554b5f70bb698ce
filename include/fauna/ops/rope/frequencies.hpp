// The frequencies of rotary embeddings, computed by the compiler.
//   θ_i = base^(-2i / R),  i = 0 .. R/2 - 1     (Su et al. 2021, section 3.2.2; R columns of a head are rotated)
// Contexts longer than trained for lower them:
//   linear (Chen et al. 2023, "Extending context window ... via positional interpolation")   θ / factor
//   llama3 (Dubey et al. 2024, "The Llama 3 herd of models", section 3.4.1; its constants are in the checkpoints)
//     with wavelengths λ = 2π / θ:  θ where λ < original / high,  θ / factor where λ > original / low, and between
//     ((1 - m) / factor + m) θ,  m = (original / λ - low) / (high - low)
// Checkpoints were trained with float32 frequencies and angles, so each step here is rounded to float, in the order in
// which PyTorch's implementations take them.
#pragma once
#include <fauna/core/version.hpp>

namespace fauna::inline v0 {

enum class rope_scaling : int { none, linear, llama3 };

constexpr const char* name_of(rope_scaling s) {
  constexpr const char* names[] = {"none", "linear", "llama3"};
  return names[static_cast<int>(s)];
}

/// Which columns of a head form a pair: i and i + R/2 ("rotate half"), or 2i and 2i + 1.
enum class rope_pairs : int { half, interleaved };

struct RopeScaling {
  rope_scaling kind = rope_scaling::none;
  double factor = 1;
  double low = 1, high = 4;  ///< llama3: original / wavelength below which all, above which nothing is scaled
  int original = 8192;       ///< llama3: the context that the model was first trained for
  constexpr bool operator==(RopeScaling const&) const = default;
  template <class C, class F> static constexpr void each(C& c, F&& f) {
    f("kind", c.kind), f("factor", c.factor), f("low", c.low), f("high", c.high), f("original", c.original);
  }
};

/// How rows are rotated, as a template argument.
struct RopeShape {
  double base = 10000;
  int rotary = 0;  ///< columns of each head that are rotated, the first ones; 0: all
  rope_pairs pairs = rope_pairs::half;
  RopeScaling scaling{};
  constexpr bool operator==(RopeShape const&) const = default;
};

template <int Pairs> struct Frequencies { float of[Pairs > 0 ? Pairs : 1]{}; };

namespace rope_detail {
/// base^e for base > 0, to a few units of double's last place; <cmath> is not constexpr.
constexpr double power(double base, double e) {
  constexpr double ln2 = 0.69314718055994530942;
  int k = 0;
  for (; base > 1.5; ++k) base /= 2;
  for (; base < 0.75; --k) base *= 2;
  const double z = (base - 1) / (base + 1);  // ln base = 2 artanh z, |z| <= 1/5
  double ln = 0, power_of_z = z;
  for (int i = 1; i < 30; i += 2, power_of_z *= z * z) ln += 2 * power_of_z / i;
  double x = e * (ln + k * ln2);  // = n ln 2 + what the series takes
  int n = 0;
  for (; x > ln2 / 2; ++n) x -= ln2;
  for (; x < -ln2 / 2; --n) x += ln2;
  double term = 1, sum = 1;
  for (int i = 1; i < 20; ++i) sum += term *= x / i;
  for (; n > 0; --n) sum *= 2;
  for (; n < 0; ++n) sum /= 2;
  return sum;
}

constexpr float scaled(RopeScaling const& s, float theta) {
  if (s.kind == rope_scaling::none) return theta;
  const auto factor = static_cast<float>(s.factor);
  if (s.kind == rope_scaling::linear) return theta / factor;
  const auto original = static_cast<float>(s.original), low = static_cast<float>(s.low);
  const float wavelength = 6.28318530717958647692F / theta;
  if (wavelength > static_cast<float>(s.original / s.low)) return theta / factor;
  if (wavelength < static_cast<float>(s.original / s.high)) return theta;
  const float m = (original / wavelength - low) / static_cast<float>(s.high - s.low);
  return (1.0F - m) * theta / factor + m * theta;
}
}  // namespace rope_detail

/// θ of each pair of a head.
template <int Pairs> constexpr Frequencies<Pairs> rope_frequencies(RopeShape const& s) {
  Frequencies<Pairs> f;
  for (int i = 0; i < Pairs; ++i) {
    const float exponent = static_cast<float>(2 * i) / static_cast<float>(2 * Pairs);
    const auto p = static_cast<float>(
        rope_detail::power(static_cast<double>(static_cast<float>(s.base)), static_cast<double>(exponent)));
    f.of[i] = rope_detail::scaled(s.scaling, 1.0F / p);
  }
  return f;
}

}  // namespace fauna::inline v0
