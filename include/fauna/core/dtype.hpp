// Number formats. Arithmetic happens in f32 or f64 (or a dual number); bf16 and f16 are storage only.
#pragma once
#include <bit>
#include <cstdint>

#include <fauna/core/version.hpp>

namespace fauna::inline v0 {

/// Rounds to nearest, ties to even; NaN stays NaN.
constexpr std::uint16_t bf16_bits(float x) {
  const auto u = std::bit_cast<std::uint32_t>(x);
  if ((u & 0x7fffffffU) > 0x7f800000U) return static_cast<std::uint16_t>((u >> 16) | 0x40U);
  return static_cast<std::uint16_t>((u + 0x7fffU + ((u >> 16) & 1U)) >> 16);
}

/// The upper half of an IEEE single: 8 exponent bits, 7 fraction bits.
struct bf16 {
  std::uint16_t bits{};
  bf16() = default;
  constexpr explicit bf16(float x) : bits(bf16_bits(x)) {}
  constexpr operator float() const { return std::bit_cast<float>(static_cast<std::uint32_t>(bits) << 16); }
};

/// IEEE half: 5 exponent bits, 10 fraction bits. Rounds to nearest even, overflows to infinity, keeps subnormals.
struct f16 {
  std::uint16_t bits{};
  f16() = default;
  constexpr explicit f16(float x) {
    const auto u = std::bit_cast<std::uint32_t>(x);
    const auto sign = static_cast<std::uint16_t>((u >> 16) & 0x8000U);
    const std::uint32_t a = u & 0x7fffffffU;
    if (a > 0x7f800000U) bits = static_cast<std::uint16_t>(sign | 0x7e00U);
    else if (a >= 0x477ff000U) bits = static_cast<std::uint16_t>(sign | 0x7c00U);
    else if (a >= 0x38800000U)  // normal: shift out 13 bits, rebias the exponent by 127 - 15
      bits = static_cast<std::uint16_t>(sign | ((a - 0x38000000U + 0xfffU + ((a >> 13) & 1U)) >> 13));
    else if (a < 0x33000000U) bits = sign;  // below half the smallest subnormal
    else {
      const std::uint32_t shift = 126U - (a >> 23);  // the value is mantissa * 2^(exponent - 150); one unit is 2^-24
      const std::uint32_t m = (a & 0x7fffffU) | 0x800000U;
      const std::uint32_t half = 1U << (shift - 1U), rest = m & ((1U << shift) - 1U);
      std::uint32_t q = m >> shift;
      if (rest > half || (rest == half && (q & 1U))) ++q;
      bits = static_cast<std::uint16_t>(sign | q);
    }
  }
  constexpr operator float() const {
    const std::uint32_t sign = static_cast<std::uint32_t>(bits & 0x8000U) << 16;
    const std::uint32_t e = (bits >> 10) & 0x1fU, m = bits & 0x3ffU;
    if (e == 31U) return std::bit_cast<float>(sign | 0x7f800000U | (m << 13));
    if (e != 0U) return std::bit_cast<float>(sign | ((e + 112U) << 23) | (m << 13));
    const float magnitude = static_cast<float>(m) * 0x1p-24F;
    return sign ? -magnitude : magnitude;
  }
};

/// The element of a matrix in the order in which backend B multiplies by it: a view of it has a shape, and no element
/// (r, c). Only ops look inside.
template <class B> struct packed { std::uint32_t bits{}; };

enum class dtype : int { f64, f32, bf16, f16 };

constexpr const char* name_of(dtype t) {
  switch (t) {
    case dtype::f64: return "f64";
    case dtype::f32: return "f32";
    case dtype::bf16: return "bf16";
    case dtype::f16: return "f16";
  }
  return "?";
}

template <class T> struct dtype_of_;
template <> struct dtype_of_<double> { static constexpr dtype value = dtype::f64; };
template <> struct dtype_of_<float> { static constexpr dtype value = dtype::f32; };
template <> struct dtype_of_<bf16> { static constexpr dtype value = dtype::bf16; };
template <> struct dtype_of_<f16> { static constexpr dtype value = dtype::f16; };
template <class T> inline constexpr dtype dtype_of = dtype_of_<T>::value;

}  // namespace fauna::inline v0
