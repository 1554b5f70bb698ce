// Random numbers that the oracles in tools/oracles draw too.
#pragma once
#include <cstddef>
#include <cstdint>
#include <fauna/text/utf8.hpp>

/// A linear congruential generator (Knuth's MMIX).
struct Draw {
  std::uint64_t x;
  /// A number below n.
  std::uint32_t operator()(std::size_t n) {
    x = x * 6364136223846793005U + 1442695040888963407U;
    return static_cast<std::uint32_t>((x >> 33) % n);
  }
  /// Appends a code point below `below`, but no surrogate.
  void scalar(std::uint32_t below, std::string& text) {
    const std::uint32_t c = (*this)(below);
    fauna::append_code_point(text, static_cast<char32_t>(c < 0xd800U || c >= 0xe000U ? c : c - 0x800U));
  }
};
