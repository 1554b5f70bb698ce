// Block formats of ggml (ggml-common.h, ggml-quants.c): a row of a tensor in blocks of 32 numbers, each with a scale of
// its own, and for two of them an offset. All little-endian, d and m in f16:
//   Q4_0  d | 16 bytes            x_j = (q_j - 8) d       the low halves of the bytes are q_0 to q_15, the high ones
//   Q4_1  d | m | 16 bytes        x_j = q_j d + m         q_16 to q_31
//   Q5_0  d | 32 bits | 16 bytes  x_j = (q_j - 16) d      as Q4, with bit j as the fifth of q_j
//   Q5_1  d | m | 32 bits | 16 bytes  x_j = q_j d + m
//   Q8_0  d | 32 signed bytes     x_j = q_j d
// q d has 11 + 8 bits at most and is exact in f32, so that fused or not, the result is rounded once.
#pragma once
#include <cstddef>
#include <cstring>
#include <string_view>

#include <fauna/core/dtype.hpp>

namespace fauna::inline v0 {

struct BlockFormat {
  static constexpr std::size_t elements = 32;  ///< of a block

  std::string_view name;
  std::size_t bytes;  ///< of a block
  int bits;           ///< of a q
  int zero;           ///< the q that is 0; without meaning where there is an offset
  bool offset;

  /// One block's numbers.
  void read(const std::byte* block, float* x) const {
    f16 d, m{};
    std::memcpy(&d, block, 2);
    block += 2;
    if (offset) {
      std::memcpy(&m, block, 2);
      block += 2;
    }
    if (bits == 8) {
      for (std::size_t j = 0; j < elements; ++j)
        x[j] = static_cast<float>(d) * static_cast<float>(static_cast<signed char>(block[j]));
      return;
    }
    std::uint32_t fifth = 0;
    if (bits == 5) {
      std::memcpy(&fifth, block, 4);
      block += 4;
    }
    for (std::size_t j = 0; j < elements; ++j) {
      const auto byte = static_cast<unsigned>(block[j % 16]);
      const unsigned q = (j < 16 ? byte & 15U : byte >> 4) | (fifth >> j & 1U) << 4;
      x[j] = offset ? static_cast<float>(d) * static_cast<float>(q) + static_cast<float>(m)
                    : static_cast<float>(d) * static_cast<float>(static_cast<int>(q) - zero);
    }
  }
};

inline constexpr BlockFormat block_formats[] = {{"Q4_0", 18, 4, 8, false},
                                                {"Q4_1", 20, 4, 0, true},
                                                {"Q5_0", 22, 5, 16, false},
                                                {"Q5_1", 24, 5, 0, true},
                                                {"Q8_0", 34, 8, 0, false}};

/// Null for a type that is not in blocks.
constexpr const BlockFormat* block_format(std::string_view dtype) {
  for (BlockFormat const& f : block_formats)
    if (f.name == dtype) return &f;
  return nullptr;
}

/// Is it a type whose numbers are read: in blocks, or one by one?
constexpr bool has_floats(std::string_view dtype) {
  return dtype == "F64" || dtype == "F32" || dtype == "F16" || dtype == "BF16" || block_format(dtype) != nullptr;
}

/// n numbers of a tensor in blocks, from element `from` on.
template <class T>
void read_blocks(BlockFormat const& format, const std::byte* data, std::size_t from, std::size_t n, T* to) {
  constexpr std::size_t size = BlockFormat::elements;
  float x[size];
  while (n > 0) {
    format.read(data + from / size * format.bytes, x);
    const std::size_t first = from % size, count = n < size - first ? n : size - first;
    for (std::size_t j = 0; j < count; ++j) *to++ = static_cast<T>(x[first + j]);
    from += count;
    n -= count;
  }
}

}  // namespace fauna::inline v0
