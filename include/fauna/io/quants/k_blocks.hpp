// ggml's K types (ggml-common.h, ggml-quants.c): blocks of 256 numbers in sub-blocks of 16 or 32, whose scales, and for
// some types offsets, are small whole numbers times those of the block; d, dmin in f16, in the order of the file:
//   Q2_K  16 bytes | 64 bytes | d | dmin         x = d (byte & 15) q - dmin (byte >> 4)       16 sub-blocks
//   Q3_K  32 bytes of third bits | 64 | 12 of scales | d    x = d (s - 32) (q - 4)            16
//   Q4_K  d | dmin | 12 bytes of scales | 128    x = d s q - dmin m                            8
//   Q5_K  d | dmin | 12 | 32 of fifth bits | 128 as Q4_K                                       8
//   Q6_K  128 | 64 | 16 signed bytes | d         x = d s (q - 32)                             16
// d s q has 24 bits at most and is exact, so that each number is rounded once.
#pragma once
#include <fauna/io/quants/format.hpp>

namespace fauna::inline v0::quants_detail {

inline constexpr std::size_t k_elements = 256;

/// The two bits of element e in 64 bytes: 32 elements, 32 apart, share a byte.
inline unsigned two_bits(const std::byte* bytes, std::size_t e) {
  return byte_at(bytes, e / 128 * 32 + e % 32) >> 2 * (e % 128 / 32) & 3U;
}
/// The four bits of element e in 128 bytes: of 64 elements, the first 32 are the low halves.
inline unsigned four_bits(const std::byte* bytes, std::size_t e) {
  return byte_at(bytes, e / 64 * 32 + e % 32) >> (e % 64 < 32 ? 0 : 4) & 15U;
}
/// Scale and offset, 6 bits each, of sub-block s of 8 in 12 bytes.
inline void six_bits(const std::byte* b, std::size_t s, unsigned& scale, unsigned& offset) {
  if (s < 4) {
    scale = byte_at(b, s) & 63U;
    offset = byte_at(b, s + 4) & 63U;
  } else {
    scale = (byte_at(b, s + 4) & 15U) | byte_at(b, s - 4) >> 6 << 4;
    offset = byte_at(b, s + 4) >> 4 | byte_at(b, s) >> 6 << 4;
  }
}

inline void codes_q2_k(const std::byte* block, std::size_t part, CodeBlock& to) {
  to.d = half_at(block + 80);
  to.m = -half_at(block + 82);
  for (std::size_t half = 0; half < 2; ++half) {
    const unsigned scale = byte_at(block, 2 * part + half);
    to.s[half] = static_cast<int>(scale & 15U);
    to.t[half] = static_cast<int>(scale >> 4);
  }
  for (std::size_t i = 0; i < 32; ++i) to.q[i] = static_cast<std::uint8_t>(two_bits(block + 16, 32 * part + i));
}
inline void codes_q3_k(const std::byte* block, std::size_t part, CodeBlock& to) {
  const std::byte* const scales = block + 96;
  to.d = half_at(block + 108);
  to.m = 0;
  for (std::size_t half = 0; half < 2; ++half) {
    const std::size_t s = 2 * part + half;
    const unsigned low = s < 8 ? byte_at(scales, s) & 15U : byte_at(scales, s - 8) >> 4;
    to.s[half] = static_cast<int>(low | (byte_at(scales, 8 + s % 4) >> 2 * (s / 4) & 3U) << 4) - 32;
  }
  for (std::size_t i = 0; i < 32; ++i)
    to.q[i] = static_cast<std::uint8_t>(two_bits(block + 32, 32 * part + i) | (byte_at(block, i) >> part & 1U) << 2);
}
/// Fifth: of Q5_K. Scale and offset of a sub-block have 17 bits and are exact in f32.
template <bool Fifth> void codes_q4_k(const std::byte* block, std::size_t part, CodeBlock& to) {
  unsigned scale, offset;
  six_bits(block + 4, part, scale, offset);
  to.d = half_at(block) * static_cast<float>(scale);
  to.m = -(half_at(block + 2) * static_cast<float>(offset));
  for (std::size_t i = 0; i < 32; ++i) {
    unsigned q = four_bits(block + (Fifth ? 48 : 16), 32 * part + i);
    if (Fifth) q |= (byte_at(block, 16 + i) >> part & 1U) << 4;
    to.q[i] = static_cast<std::uint8_t>(q);
  }
}
inline void codes_q6_k(const std::byte* block, std::size_t part, CodeBlock& to) {
  const std::size_t r = part % 4;
  to.d = half_at(block + 208);
  to.m = 0;
  for (std::size_t half = 0; half < 2; ++half) to.s[half] = signed_at(block, 192 + 2 * part + half);
  for (std::size_t i = 0; i < 32; ++i) {
    const unsigned low = byte_at(block, part / 4 * 64 + r % 2 * 32 + i) >> (r < 2 ? 0 : 4) & 15U;
    const unsigned high = byte_at(block, 128 + part / 4 * 32 + i) >> 2 * r & 3U;
    to.q[i] = static_cast<std::uint8_t>(low | high << 4);
  }
}

}  // namespace fauna::inline v0::quants_detail
