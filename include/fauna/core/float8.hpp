// The two formats of eight bits for training (Micikevicius et al. 2022, "FP8 formats for deep learning", table 1), and
// the scales that bring numbers into their range.
//   E4M3   4 exponent bits, 3 fraction bits: up to 448, no infinity; all ones are no number
//   E5M2   5 exponent bits, 2 fraction bits: up to 57344, infinities and NaN as in IEEE formats
// A cast takes what is out of range to the largest number, rounds to nearest, ties to even, and keeps subnormals and
// NaN: PyTorch's behind torchao's clamp.
#pragma once
#include <bit>
#include <cstdint>

#include <fauna/core/version.hpp>

namespace fauna::inline v0 {

template <int Fraction, int Bias> struct float8 {
  static constexpr bool has_infinity = Fraction == 2;
  static constexpr float most = has_infinity ? 57344.0F : 448.0F;
  static constexpr float least_normal = std::bit_cast<float>(static_cast<std::uint32_t>(128 - Bias) << 23);
  std::uint8_t bits{};

  float8() = default;
  constexpr explicit float8(float x) {
    const float r = rounded(x);
    const auto u = std::bit_cast<std::uint32_t>(r), a = u & 0x7fffffffU;
    const float size = std::bit_cast<float>(a);
    std::uint32_t code = 0x7fU;
    if (size < least_normal) code = static_cast<std::uint32_t>(size / least_normal * static_cast<float>(1 << Fraction));
    else if (a <= 0x7f800000U) code = (a >> (23 - Fraction)) - (static_cast<std::uint32_t>(127 - Bias) << Fraction);
    bits = static_cast<std::uint8_t>((u >> 24 & 0x80U) | code);
  }
  static constexpr float8 of(std::uint8_t code) {
    float8 x;
    x.bits = code;
    return x;
  }
  constexpr operator float() const {
    constexpr std::uint32_t fractions = (1U << Fraction) - 1U, all = 0x7fU;
    const std::uint32_t code = bits & all, exponent = code >> Fraction, fraction = code & fractions;
    std::uint32_t u = (exponent + static_cast<std::uint32_t>(127 - Bias)) << 23 | fraction << (23 - Fraction);
    if (exponent == 0)
      u = std::bit_cast<std::uint32_t>(static_cast<float>(fraction) * (least_normal / (1 << Fraction)));
    if (has_infinity && exponent == all >> Fraction) u = 0x7f800000U | fraction << 21;
    if (!has_infinity && code == all) u = 0x7fc00000U;
    return std::bit_cast<float>(u | static_cast<std::uint32_t>(bits & 0x80U) << 24);
  }

  /// The value that x becomes. A sum with 1.5 · 2^23 units of the last place leaves whole units.
  static constexpr float rounded(float x) {
    const float in = x > most ? most : x < -most ? -most : x;
    const auto u = std::bit_cast<std::uint32_t>(in);
    float power = std::bit_cast<float>(u & 0x7f800000U);
    if (power < least_normal) power = least_normal;
    const float shift = power * (1.5F * static_cast<float>(1 << (23 - Fraction)));
    return std::bit_cast<float>(std::bit_cast<std::uint32_t>((in + shift) - shift) | (u & 0x80000000U));
  }
};
using e4m3 = float8<3, 7>;
using e5m2 = float8<2, 15>;

/// torchao's dynamic scale of numbers whose largest size is amax: most / amax, rounded once from double.
constexpr float float8_scale(double most, float amax) {
  const double a = static_cast<double>(amax);
  return static_cast<float>(most / (a < 1e-12 ? 1e-12 : a));
}
/// The power of two below a positive normal number, or the number.
constexpr float power_below(float x) { return std::bit_cast<float>(std::bit_cast<std::uint32_t>(x) & 0xff800000U); }

/// A scale of microscaling formats (OCP Microscaling Formats 1.0, section 5.4.1): the byte e of 2^(e - 127); 255 is
/// NaN. The least power of two by which no number of a block is above E4M3's largest: torchao's mode RCEIL, with the
/// exact logarithm that devices have.
constexpr std::uint8_t e8m0_scale(float amax) {
  const auto u = std::bit_cast<std::uint32_t>(amax / e4m3::most);
  const std::uint32_t exponent = u >> 23 & 0xffU;
  return static_cast<std::uint8_t>(exponent < 255 && (u & 0x7fffffU) != 0 ? exponent + 1 : exponent);
}
/// 2^(e - 127), and its inverse.
constexpr float e8m0_value(std::uint8_t e) {
  return e == 255 ? std::bit_cast<float>(0x7fc00000U)
                  : std::bit_cast<float>(e == 0 ? 0x00400000U : static_cast<std::uint32_t>(e) << 23);
}
constexpr float e8m0_inverse(std::uint8_t e) {
  return e == 255 ? e8m0_value(e) : e8m0_value(static_cast<std::uint8_t>(254 - e));
}

}  // namespace fauna::inline v0
