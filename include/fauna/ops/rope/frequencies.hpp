// The frequencies of rotary embeddings, computed by the compiler.
//   θ_i = base^(-2i / R),  i = 0 .. R/2 - 1     (Su et al. 2021, section 3.2.2; R columns of a head are rotated)
// Contexts longer than trained for lower them:
//   linear (Chen et al. 2023, "Extending context window ... via positional interpolation")   θ / factor
//   llama3 (Dubey et al. 2024, "The Llama 3 herd of models", section 3.4.1; its constants are in the checkpoints)
//     with wavelengths λ = 2π / θ:  θ where λ < original / high,  θ / factor where λ > original / low, and between
//     ((1 - m) / factor + m) θ,  m = (original / λ - low) / (high - low)
//   yarn (Peng et al. 2023, "YaRN: efficient context window extension of large language models", section 3.2)
//     the same in pairs i instead of wavelengths, from the pair that turns `high` times in the original context to the
//     one that turns `low` times:  ((1 - m) + m / factor) θ,  m = (i - first) / (last - first) within 0 and 1
//   longrope (Ding et al. 2024, "LongRoPE: extending LLM context window beyond 2 million tokens", section 3)
//     a divisor found for each pair:  θ / factors_i
// The last two also multiply what is turned (Peng et al. 2023, section 3.4), for longer contexts have more to tell
// apart. Checkpoints were trained with float32 frequencies and angles, so each step here is rounded to float, in the
// order in which PyTorch's implementations take them.
#pragma once
#include <fauna/core/version.hpp>

namespace fauna::inline v0 {

enum class rope_scaling : int { none, linear, llama3, yarn, longrope };

constexpr const char* name_of(rope_scaling s) {
  constexpr const char* names[] = {"none", "linear", "llama3", "yarn", "longrope"};
  return names[static_cast<int>(s)];
}

/// Which columns of a head form a pair: i and i + R/2 ("rotate half"), or 2i and 2i + 1.
enum class rope_pairs : int { half, interleaved };

struct RopeScaling {
  rope_scaling kind = rope_scaling::none;
  double factor = 1;
  double low = 1, high = 4;  ///< llama3, yarn: original / wavelength below which all, above which nothing is scaled
  int original = 8192;       ///< all but linear: the context that the model was first trained for
  bool truncate = true;      ///< yarn: between pairs `first` and `last` are rounded away from each other
  double attention = 0;      ///< yarn, longrope: what is turned is multiplied by it; 0: as their papers have it
  /// longrope: for contexts beyond the original, and within it (see `within`); as many as pairs.
  float factors[64]{}, short_factors[64]{};
  constexpr bool operator==(RopeScaling const&) const = default;
  template <class C, class F> static constexpr void each(C& c, F&& f) {
    f("kind", c.kind), f("factor", c.factor), f("low", c.low), f("high", c.high), f("original", c.original);
  }
  template <class C, class F> static constexpr void later(C& c, F&& f) {
    f("truncate", c.truncate), f("attention", c.attention);
    f("factors", c.factors), f("short_factors", c.short_factors);
  }
  /// As a model with so much context has it: of two lists of factors one.
  constexpr RopeScaling within(int context) const {
    RopeScaling s = *this;
    for (int i = 0; i < 64; ++i) {
      if (context <= original) s.factors[i] = short_factors[i];
      s.short_factors[i] = 0;
    }
    return s;
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
inline constexpr double pi = 3.14159265358979323846, ln2 = 0.69314718055994530942;

/// ln x for x > 0, to a few units of double's last place; <cmath> is not constexpr.
constexpr double log(double x) {
  int k = 0;
  for (; x > 1.5; ++k) x /= 2;
  for (; x < 0.75; --k) x *= 2;
  const double z = (x - 1) / (x + 1);  // ln x = 2 artanh z, |z| <= 1/5
  double ln = 0, power_of_z = z;
  for (int i = 1; i < 30; i += 2, power_of_z *= z * z) ln += 2 * power_of_z / i;
  return ln + k * ln2;
}
/// base^e for base > 0, as exact.
constexpr double power(double base, double e) {
  double x = e * log(base);  // = n ln 2 + what the series takes
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
  const auto factor = static_cast<float>(s.factor);
  if (s.kind == rope_scaling::linear) return theta / factor;
  const auto original = static_cast<float>(s.original), low = static_cast<float>(s.low);
  const float wavelength = 6.28318530717958647692F / theta;
  if (wavelength > static_cast<float>(s.original / s.low)) return theta / factor;
  if (wavelength < static_cast<float>(s.original / s.high)) return theta;
  const float m = (original / wavelength - low) / static_cast<float>(s.high - s.low);
  return (1.0F - m) * theta / factor + m * theta;
}

/// YaRN's m of the pairs of a head, R columns of which turn.
struct Ramp {
  float first = 0, span = 1;
  constexpr Ramp(RopeScaling const& s, double base, int columns) {
    double from = pair_that_turns(s.high, s, base, columns), to = pair_that_turns(s.low, s, base, columns);
    if (s.truncate) from = rounded(from, -1), to = rounded(to, 1);
    if (from < 0) from = 0;
    if (to > columns - 1) to = columns - 1;
    if (from == to) to += 0.001;
    first = static_cast<float>(from), span = static_cast<float>(to - from);
  }
  constexpr float at(int pair) const {
    const float m = (static_cast<float>(pair) - first) / span;
    return m < 0 ? 0.0F : m > 1 ? 1.0F : m;
  }

 private:
  /// i of the θ that turns so many times in the original context.
  static constexpr double pair_that_turns(double times, RopeScaling const& s, double base, int columns) {
    return columns * log(s.original / (times * 2 * pi)) / (2 * log(base));
  }
  static constexpr double rounded(double x, int direction) {
    auto n = static_cast<double>(static_cast<long long>(x));
    if (direction < 0 ? n > x : n < x) n += direction;
    return n;
  }
};
}  // namespace rope_detail

/// What turned columns are multiplied by.
constexpr double rope_magnitude(RopeScaling const& s) {
  const bool yarn = s.kind == rope_scaling::yarn;
  if (!yarn && s.kind != rope_scaling::longrope) return 1;
  if (s.attention > 0) return s.attention;
  if (s.factor <= 1) return 1;
  const double ln = rope_detail::log(s.factor);
  if (yarn) return 0.1 * ln + 1;                                          // Peng et al. 2023, equation 22
  return rope_detail::power(1 + ln / rope_detail::log(s.original), 0.5);  // Ding et al. 2024, section 3.3
}

/// θ of each pair of a head.
template <int Pairs> constexpr Frequencies<Pairs> rope_frequencies(RopeShape const& s) {
  Frequencies<Pairs> f;
  for (int i = 0; i < Pairs; ++i) {
    const float exponent = static_cast<float>(2 * i) / static_cast<float>(2 * Pairs);
    const auto p = static_cast<float>(
        rope_detail::power(static_cast<double>(static_cast<float>(s.base)), static_cast<double>(exponent)));
    if (s.scaling.kind == rope_scaling::none) f.of[i] = 1.0F / p;
    else if (s.scaling.kind == rope_scaling::longrope) f.of[i] = 1.0F / (s.scaling.factors[i] * p);
    else if (s.scaling.kind == rope_scaling::yarn) {
      const float kept = 1.0F - rope_detail::Ramp(s.scaling, s.base, 2 * Pairs).at(i);
      f.of[i] = 1.0F / (static_cast<float>(s.scaling.factor) * p) * (1.0F - kept) + 1.0F / p * kept;
    } else f.of[i] = rope_detail::scaled(s.scaling, 1.0F / p);
  }
  return f;
}

}  // namespace fauna::inline v0
