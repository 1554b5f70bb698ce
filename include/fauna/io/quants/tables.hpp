// Types whose codes stand in a table (ggml-common.h, ggml-quants.c; OCP Microscaling Formats 1.0):
//   IQ4_NL  d | 16 bytes        32 numbers, x = d table[q]
//   IQ4_XS  d | 16 bits | 4 bytes | 128 bytes    256 numbers in 8 sub-blocks, x = d (s - 32) table[q]
//   MXFP4   e | 16 bytes        32 numbers, x = 2^(e - 128) table[q], of twice the values of E2M1
// Low halves of 16 bytes are the first 16 numbers of 32, the high ones the others.
#pragma once
#include <cmath>

#include <fauna/io/quants/format.hpp>

namespace fauna::inline v0::quants_detail {

inline constexpr signed char const (&nonlinear)[16] = code_tables[static_cast<int>(code_table::nonlinear)];
inline constexpr signed char const (&e2m1)[16] = code_tables[static_cast<int>(code_table::e2m1)];

inline void codes_in_halves(const std::byte* bytes, CodeBlock& to) {
  to.m = 0;
  for (std::size_t j = 0; j < 32; ++j)
    to.q[j] = static_cast<std::uint8_t>(byte_at(bytes, j % 16) >> (j < 16 ? 0 : 4) & 15U);
}
inline void codes_iq4_nl(const std::byte* block, std::size_t, CodeBlock& to) {
  to.d = half_at(block);
  codes_in_halves(block + 2, to);
}
inline void codes_iq4_xs(const std::byte* block, std::size_t s, CodeBlock& to) {
  const unsigned low = byte_at(block, 4 + s / 2) >> 4 * (s % 2) & 15U;
  const unsigned high = byte_at(block, 2 + s / 4) >> 2 * (s % 4) & 3U;
  to.d = half_at(block) * static_cast<float>(static_cast<int>(low | high << 4) - 32);
  codes_in_halves(block + 8 + 16 * s, to);
}

/// 2^(e - 128): subnormal for e below 2.
inline float half_of_e8m0(unsigned e) { return std::bit_cast<float>(e < 2 ? 0x00200000U << e : (e - 1) << 23); }
inline void codes_mxfp4(const std::byte* block, std::size_t, CodeBlock& to) {
  to.d = half_of_e8m0(byte_at(block, 0));
  codes_in_halves(block + 1, to);
}
/// e: so that the largest number falls among the largest codes, 4 to 6 in E2M1. Each code is the nearest one, the first
/// of several.
inline void write_mxfp4(const float* x, std::byte* block) {
  float most = 0;
  for (std::size_t j = 0; j < 32; ++j) most = std::fabs(x[j]) > most ? std::fabs(x[j]) : most;
  const int exponent = most > 0 ? std::ilogb(most) - 2 + 127 : 0;
  const auto e = static_cast<std::uint8_t>(exponent < 0 ? 0 : exponent);
  const float d = half_of_e8m0(e);
  std::memset(block, 0, 17);
  block[0] = std::byte(e);
  for (std::size_t j = 0; j < 32; ++j) {
    unsigned best = 0;
    float least = std::fabs(x[j]);
    for (unsigned q = 1; q < 16; ++q)
      if (const float error = std::fabs(d * static_cast<float>(e2m1[q]) - x[j]); error < least) {
        least = error;
        best = q;
      }
    block[1 + j % 16] |= std::byte(best << (j < 16 ? 0 : 4));
  }
}

}  // namespace fauna::inline v0::quants_detail
