// Blocks of 32 numbers with a scale, and for two types an offset (ggml-common.h, ggml-quants.c); d and m in f16:
//   Q4_0  d | 16 bytes                x_j = (q_j - 8) d       the low halves of the bytes are q_0 to q_15, the high
//   ones Q4_1  d | m | 16 bytes            x_j = q_j d + m         q_16 to q_31 Q5_0  d | 32 bits | 16 bytes      x_j =
//   (q_j - 16) d      as Q4, with bit j as the fifth of q_j Q5_1  d | m | 32 bits | 16 bytes  x_j = q_j d + m Q8_0  d |
//   32 signed bytes         x_j = q_j d
// q d has 11 + 8 bits at most and is exact in f32, so that fused or not, the result is rounded once.
//
// Written with the scale that takes the numbers' range to that of q, and each q to nearest by that scale before it was
// rounded to f16:
//   Q4_0, Q5_0  d = x / -8, x / -16 for the x that lies farthest from 0, the first of several: it is q = 0
//   Q4_1, Q5_1  d = (max - min) / 15, / 31, m = min
//   Q8_0        d = max |x| / 127, halves away from 0
#pragma once
#include <cmath>

#include <fauna/io/quants/format.hpp>

namespace fauna::inline v0::quants_detail {

template <int Bits, bool Offset> struct Of32 {
  static constexpr std::size_t n = BlockCode::elements, half = n / 2;
  static constexpr std::size_t fifths = Offset ? 4 : 2;                  ///< where the fifth bits begin
  static constexpr std::size_t first = Bits == 5 ? fifths + 4 : fifths;  ///< where q begins
  static constexpr std::size_t bytes = first + (Bits == 8 ? n : half);
  static constexpr int zero = Offset ? 0 : 1 << (Bits - 1), most = (1 << Bits) - 1;

  static void codes(const std::byte* block, std::size_t, CodeBlock& to) {
    to.d = half_at(block);
    to.m = Offset ? half_at(block + 2) : 0;
    std::uint32_t fifth = 0;
    if constexpr (Bits == 5) std::memcpy(&fifth, block + fifths, 4);
    for (std::size_t j = 0; j < n; ++j) {
      if constexpr (Bits == 8) {
        to.q[j] = static_cast<std::uint8_t>(byte_at(block, first + j) ^ 128U);
      } else {
        const unsigned byte = byte_at(block, first + j % half);
        to.q[j] = static_cast<std::uint8_t>((j < half ? byte & 15U : byte >> 4) | (fifth >> j & 1U) << 4);
      }
    }
  }
  static void write(const float* x, std::byte* block) {
    float least = x[0], greatest = x[0], farthest = x[0];
    for (std::size_t j = 1; j < n; ++j) {
      least = x[j] < least ? x[j] : least;
      greatest = x[j] > greatest ? x[j] : greatest;
      farthest = std::fabs(x[j]) > std::fabs(farthest) ? x[j] : farthest;
    }
    const float d = Bits == 8 ? std::fabs(farthest) / 127 : Offset ? (greatest - least) / most : farthest / -zero;
    const float inverse = d == 0 ? 0 : 1 / d;
    const f16 stored(d), m(least);
    std::memset(block, 0, bytes);
    std::memcpy(block, &stored, 2);
    if constexpr (Offset) std::memcpy(block + 2, &m, 2);
    std::uint32_t fifth = 0;
    for (std::size_t j = 0; j < n; ++j) {
      if constexpr (Bits == 8) {
        const float y = rounded_product(x[j], inverse), whole = std::floor(std::fabs(y));
        const float away = std::copysign(whole + std::floor(2 * (std::fabs(y) - whole)), y);
        block[first + j] = std::byte(static_cast<std::uint8_t>(static_cast<std::int8_t>(away)));
      } else {
        const float y = rounded_product(Offset ? x[j] - least : x[j], inverse) + (static_cast<float>(zero) + 0.5F);
        const int q = y < static_cast<float>(most) ? static_cast<int>(y) : most;
        block[first + j % half] |= std::byte((static_cast<unsigned>(q) & 15U) << (j < half ? 0 : 4));
        fifth |= static_cast<std::uint32_t>(q >> 4) << j;
      }
    }
    if constexpr (Bits == 5) std::memcpy(block + fifths, &fifth, 4);
  }
  static constexpr BlockFormat format(std::string_view name, std::uint32_t gguf) {
    return in_codes<codes, BlockCode{Bits, zero, Offset}, n>(name, gguf, bytes, write);
  }
};

}  // namespace fauna::inline v0::quants_detail
