// What a block format is: numbers of a row in blocks of one size, each read from its bytes and perhaps written.
#pragma once
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <string_view>

#include <fauna/core/block_code.hpp>

namespace fauna::inline v0 {

struct BlockFormat {
  std::string_view name;
  std::uint32_t gguf;    ///< its number in GGUF files
  std::size_t elements;  ///< of a block
  std::size_t bytes;     ///< of a block
  void (*read)(const std::byte* block, float* x);
  /// To nearest, as the reference rounds; null where that is not defined here.
  void (*write)(const float* x, std::byte* block) = nullptr;
  /// What products read straight from the blocks; without bits: they do not.
  BlockCode code{};
  /// The numbers 32 part to 32 part + 31 of a block.
  void (*codes)(const std::byte* block, std::size_t part, CodeBlock& to) = nullptr;
};

namespace quants_detail {

inline float half_at(const std::byte* p) {
  f16 d;
  std::memcpy(&d, p, 2);
  return static_cast<float>(d);
}
inline unsigned byte_at(const std::byte* p, std::size_t i) { return static_cast<unsigned>(p[i]); }
inline int signed_at(const std::byte* p, std::size_t i) { return static_cast<signed char>(p[i]); }

/// A format whose numbers are what its codes stand for.
using Codes = void (*)(const std::byte* block, std::size_t part, CodeBlock& to);
template <Codes C, BlockCode Code, std::size_t Elements> void read_codes(const std::byte* block, float* x) {
  CodeBlock c;
  for (std::size_t part = 0; part < Elements / BlockCode::elements; ++part) {
    C(block, part, c);
    for (int j = 0; j < BlockCode::elements; ++j) *x++ = c(Code, j);
  }
}
template <Codes C, BlockCode Code, std::size_t Elements>
constexpr BlockFormat in_codes(std::string_view name, std::uint32_t gguf, std::size_t bytes,
                               void (*write)(const float* x, std::byte* block) = nullptr) {
  return {name, gguf, Elements, bytes, read_codes<C, Code, Elements>, write, Code, C};
}

/// A product rounded to f32, which no compiler may fuse with what is added to it.
inline float rounded_product(float a, float b) {
  return static_cast<float>(static_cast<double>(a) * static_cast<double>(b));
}

}  // namespace quants_detail

}  // namespace fauna::inline v0
